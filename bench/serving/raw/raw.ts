import { type ChildProcess, fork } from "node:child_process";
import { ALLOCATION } from "@modulehub/worker/allocation";
import { formBatch, TOKEN_LIMITS } from "@modulehub/worker/batch-forming";
import { BatchSizes } from "@modulehub/worker/batch-sizes";
import type { FromRawChild, ToRawChild } from "./contract.ts";

/**
 * Whose settings of memory a raw session has: ONNX Runtime's own, as it comes (its arena, the system's allocator left
 * alone), or those that the worker gives its engines.
 */
export type RawMemory = "own" | "worker";

/** A process with a session of ONNX Runtime; see raw-child.ts. */
export class RawChild {
  readonly spawnMs: number;
  readonly createMs: number;
  readonly runMs: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, spawnMs: number, createMs: number, runMs: number) {
    this.#child = child;
    this.spawnMs = spawnMs;
    this.createMs = createMs;
    this.runMs = runMs;
  }

  /** Resolves when the session is open and has run one item; `spawnMs` is the time of all that. */
  static async start(
    graph: string,
    itemsFile: string,
    threads: number,
    memory: RawMemory = "own",
  ): Promise<RawChild> {
    const began = performance.now();
    const child = fork(
      new URL("./raw-child.ts", import.meta.url),
      [graph, itemsFile, String(threads), memory],
      {
        serialization: "advanced",
        env: { ...process.env, ...(memory === "worker" && ALLOCATION) },
      },
    );
    const message = await answerOf(child);
    if (message.kind !== "ready") throw new Error("the raw child was not ready");
    return new RawChild(child, performance.now() - began, message.createMs, message.runMs);
  }

  async batch(items: number[]): Promise<void> {
    await this.#ask({ kind: "batch", items });
  }

  /** Milliseconds of a run for each. */
  async singles(items: number[]): Promise<number[]> {
    const answer = await this.#ask({ kind: "singles", items });
    if (answer.kind !== "took") throw new Error("the raw child gave another answer");
    return answer.ms;
  }

  /** What the items that ran since the last call gave. */
  async rows(): Promise<Map<number, Float32Array>> {
    const answer = await this.#ask({ kind: "rows" });
    if (answer.kind !== "rows") throw new Error("the raw child gave another answer");
    return answer.rows;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await exited;
  }

  #ask(message: ToRawChild): Promise<FromRawChild> {
    const answer = answerOf(this.#child);
    this.#child.send(message);
    return answer;
  }
}

function answerOf(child: ChildProcess): Promise<FromRawChild> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the raw child ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message: FromRawChild) => {
      child.off("exit", ended);
      resolve(message);
    });
  });
}

/** An item and its length in tokens. */
interface Waiting {
  item: number;
  length: number;
}

/** What raw runs have shown of sizes of batches, as a worker learns it too. */
const sizes = new BatchSizes();
const LANE = "raw";

/**
 * R32: a finite set of items through raw children, a closed loop with `outstanding` of them waiting or running, in the
 * batches that the worker's own batch former makes, of the sizes that have given most, oldest first. Milliseconds to the last answer, and the CPU
 * time of this process, which plays the clients here.
 */
export async function closedLoop(
  children: readonly RawChild[],
  lengths: readonly number[],
  order: readonly number[],
  outstanding: number,
): Promise<{ wallMs: number; cpuMs: number }> {
  const waiting: Waiting[] = [];
  let next = 0;
  let arrival = Promise.withResolvers<void>();
  const arrive = (count: number) => {
    for (let index = 0; index < count && next < order.length; index++) {
      const item = order[next++]!;
      waiting.push({ item, length: lengths[item]! });
    }
    arrival.resolve();
    arrival = Promise.withResolvers();
  };
  const work = async (child: RawChild) => {
    while (waiting[0] || next < order.length) {
      if (!waiting[0]) {
        await arrival.promise;
        continue;
      }
      const [first] = waiting;
      const batch = sizes.form(LANE, TOKEN_LIMITS, (limits) => formBatch(first, waiting, limits));
      const chosen = new Set(batch);
      waiting.splice(0, waiting.length, ...waiting.filter((entry) => !chosen.has(entry)));
      const began = performance.now();
      await child.batch(batch.map(({ item }) => item));
      const length = batch.reduce((sum, entry) => sum + entry.length, 0);
      sizes.ran(LANE, batch, length, performance.now() - began);
      arrive(batch.length);
    }
  };
  const cpu = process.cpuUsage();
  const began = performance.now();
  arrive(outstanding);
  await Promise.all(children.map(work));
  const wallMs = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}
