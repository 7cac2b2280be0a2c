import { expect, test } from "vitest";
import { SINGLE } from "./batch-forming.ts";
import type { Job, Lane, Submission } from "./job.ts";
import { WorkQueue } from "./work-queue.ts";

const target: Lane["target"] = {
  module: {
    digest: "sha256:m",
    folder: "/nowhere",
    bytes: 1,
    compileTask: () => ({ graph: "", compiled: null, inputs: [], appended: [], feeds: [], fetches: [] }),
  },
  signature: "default",
  batching: "none",
};

/** A queue with one lane, what was looked at in it, and how to let items of one request wait there. */
function setup() {
  const queue = new WorkQueue();
  let looks = 0;
  const waiting = new Proxy<Job[]>([], {
    get(list, key, receiver) {
      if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
      return Reflect.get(list, key, receiver);
    },
  });
  const lane: Lane = { key: "m", target, costKey: "m", limits: SINGLE, queue: waiting, earliest: Infinity };
  const request = (count: number, asked: Partial<Submission> = {}) => {
    const submission = { caller: "a", signal: new AbortController().signal, deadline: Infinity, ...asked };
    const ticket = queue.open(submission.caller, "sha256:m");
    return Array.from({ length: count }, (): Job => {
      const refused: Error[] = [];
      const job = {
        ...{ feeds: new Map(), length: 1, workMs: 1, lane, ticket, submission, enqueued: 0, deaths: 0 },
        ...{ alone: false, settled: false, resolve: () => undefined, refused },
        reject: (error: Error) => void refused.push(error),
      };
      queue.add(job);
      return job;
    });
  };
  const looked = (work: () => void): number => {
    const before = looks;
    work();
    return looks - before;
  };
  return { queue, lane, request, looked };
}

test("a request's items are taken out in one pass over what waits, and the others keep their order", () => {
  const { queue, lane, request, looked } = setup();
  const before = request(500);
  const gone = request(4096);
  const after = request(500);
  // Every item is looked at once, and those behind the last of them are moved up.
  expect(looked(() => queue.remove(gone, "dropped"))).toBeLessThan(2 * (500 + 4096 + 500));
  expect(lane.queue.map((job) => [...before, ...after].indexOf(job))).toEqual(
    Array.from({ length: 1000 }, (_, index) => index),
  );
  expect(queue.order.waiting).toBe(1000);
});

test("what is taken out and doesn't wait is passed over", () => {
  const { queue, lane, request, looked } = setup();
  const [first, ...others] = request(3);
  queue.remove([first!], "served");
  queue.remove([first!, others[0]!], "dropped");
  expect(lane.queue).toEqual([others[1]]);
  expect(looked(() => queue.remove([first!], "dropped"))).toBe(0);
  queue.remove(others, "dropped");
  expect([...queue.lanes.waiting()]).toEqual([]);
  expect(queue.order.waiting).toBe(0);
});

test("whatever came before it, what is late is refused, and nothing is looked at before the earliest deadline", () => {
  const { queue, request, looked } = setup();
  const now = performance.now();
  const [patient] = request(1, { deadline: now + 60_000 });
  const late = request(2, { deadline: now - 1 });
  const [next] = request(1, { deadline: now + 30_000 });
  expect(queue.lanes.earliest).toBe(now - 1);
  queue.dropExpired();
  for (const job of late)
    expect(job).toMatchObject({ refused: [expect.objectContaining({ code: "deadline-exceeded" })] });
  for (const job of [patient, next]) expect(job).toMatchObject({ refused: [] });
  expect(queue.order.waiting).toBe(2);
  expect(queue.lanes.earliest).toBe(now + 30_000);
  expect(looked(() => queue.dropExpired())).toBe(0);
});
