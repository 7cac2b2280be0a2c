import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "./context.ts";
import type { LoadRequest } from "./load/contract.ts";

/** One request; milliseconds to its answer, and what it was. Throws where it isn't 200. */
export async function askOnce(
  context: Context,
  to: LoadRequest,
  body: string | Uint8Array,
): Promise<{ ms: number; answer: Uint8Array }> {
  const { status, tookMs, answers, errors } = await context.load.run({
    to,
    bodies: [body],
    pace: { kind: "closed", clients: 1, requests: 1 },
    keepAnswers: true,
  });
  const [answer = new Uint8Array()] = answers;
  if (status[0] !== 200)
    throw new Error(`a request was answered with ${status[0]}: ${Buffer.from(answer)} ${errors.join()}`);
  return { ms: tookMs[0]!, answer };
}

/** Waits until something holds. Throws after so many seconds. */
export async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s, and still not: ${what}`);
    await sleep(5);
  }
}
