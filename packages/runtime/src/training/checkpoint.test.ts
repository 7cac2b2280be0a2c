import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkpointPieces, type RunState, readCheckpoint } from "./checkpoint.ts";

const STATE: RunState = {
  step: 7,
  sampler: { epoch: 1, offset: 3 },
  best: { loss: 0.25, step: 5, looksSince: 2 },
  tensors: new Map([
    ["now/weights", Float32Array.of(1, -2.5, 3e-8)],
    ["now/none", new Float32Array(0)],
    ["state/weights", Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY)],
  ]),
};
const BYTES = Buffer.concat([...checkpointPieces(STATE, "this run")]);
const INVALID = { code: "checkpoint-invalid" };

test("a checkpoint is read wherever its bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(BYTES.length)), async (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), BYTES.length];
      const pieces = places.slice(1).map((end, index) => BYTES.subarray(places[index], end));
      expect(await readCheckpoint(Readable.from(pieces), "this run")).toEqual(STATE);
    }),
  );
});

test("every byte of a checkpoint counts, and so does where it ends", async () => {
  const read = (bytes: Uint8Array) => readCheckpoint(Readable.from([bytes]), "this run");
  for (const at of BYTES.keys()) {
    const damaged = Buffer.from(BYTES);
    damaged[at]! ^= 0x80;
    await expect(read(damaged)).rejects.toMatchObject(INVALID);
    await expect(read(BYTES.subarray(0, at))).rejects.toMatchObject(INVALID);
  }
  await expect(read(Buffer.concat([BYTES, Buffer.alloc(1)]))).rejects.toMatchObject(INVALID);
  await expect(readCheckpoint(Readable.from([BYTES]), "another")).rejects.toMatchObject(INVALID);
});

test("a large tensor goes in pieces, of which a hash takes each", () => {
  const state = { ...STATE, tensors: new Map([["now/table", new Float32Array(2 ** 25)]]) };
  const sizes = [...checkpointPieces(state, "this run")].map(({ length }) => length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 ** 26);
  expect(sizes.slice(4, -1).reduce((sum, size) => sum + size, 0)).toBe(4 * 2 ** 25);
});
