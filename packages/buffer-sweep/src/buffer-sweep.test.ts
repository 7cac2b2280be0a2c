import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { BufferSweep, collectGarbage } from "./buffer-sweep.ts";

const MEGABYTE = 1024 * 1024;
const held = () => process.memoryUsage().arrayBuffers;
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** Buffers that nobody holds when this is over. */
function drop(bytes: number): void {
  for (let made = 0; made < bytes; made += MEGABYTE) new Uint8Array(MEGABYTE).fill(1);
}

test("buffers that were let go are swept after a megabyte of them, and not before", async () => {
  const sweep = new BufferSweep();
  collectGarbage("major");
  // V8 frees what it has found in a thread of its own.
  await sleep(200);
  const before = held();
  drop(4 * MEGABYTE);
  sweep.letGo(MEGABYTE - 1);
  await turn();
  expect(held() - before).toBeGreaterThan(3 * MEGABYTE);
  sweep.letGo(1);
  await vi.waitFor(() => expect(held() - before).toBeLessThan(MEGABYTE));
});
