import fc from "fast-check";
import { expect, test } from "vitest";
import { Sampler } from "./sampler.ts";

test("every epoch gives each example once, in an order of its own, and goes on from any position", () => {
  const numbers = fc.record({
    examples: fc.integer({ min: 1, max: 60 }),
    batch: fc.integer({ min: 1, max: 70 }),
    seed: fc.nat(),
    taken: fc.nat({ max: 40 }),
  });
  fc.assert(
    fc.property(numbers, ({ examples, batch, seed, taken }) => {
      const sampler = new Sampler(examples, { seed, batch });
      const perEpoch = Math.ceil(examples / batch);
      for (let epoch = 0; epoch < 3; epoch++) {
        const seen: number[] = [];
        for (let at = 0; at < perEpoch; at++) {
          const size = sampler.nextSize;
          const next = sampler.next();
          expect(next.length).toBe(size);
          seen.push(...next);
        }
        expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: examples }, (_, at) => at));
      }
      const first = new Sampler(examples, { seed, batch });
      for (let at = 0; at < taken; at++) first.next();
      const resumed = new Sampler(examples, { seed, batch }, first.position);
      for (let at = 0; at < 5; at++) expect(resumed.next()).toEqual(first.next());
    }),
  );
  const order = (seed: number) => [...new Sampler(50, { seed, batch: 50 }).next()];
  expect(order(1)).not.toEqual(order(2));
  expect(order(1)).not.toEqual(Array.from({ length: 50 }, (_, at) => at));
});
