import { readFileSync } from "node:fs";
import { deserialize } from "node:v8";
import type { Tensor } from "@modulehub/core";
import { openSession } from "@modulehub/runtime/session";
import type { FromRawChild, RawItem, ToRawChild } from "./contract.ts";

/**
 * ONNX Runtime and nothing else: opens a graph and runs items that it has in memory already. What arrives and what
 * goes are numbers of items, so that the time is the runtime's own. The baseline of throughput, of latency and of
 * cold starts.
 *
 * Arguments: graph, file of items, threads, whose settings of memory (`own` or `worker`).
 */
const [graph, itemsFile, threads, memory] = process.argv.slice(2);
if (memory === undefined)
  throw new TypeError("name a graph, a file of items, a number of threads and a memory");
const items: RawItem[] = deserialize(readFileSync(itemsFile!));
const rows = new Map<number, Float32Array>();

const before = performance.now();
const session = await openSession(graph!, {
  threads: Number(threads),
  spinMicroseconds: Number(threads) > 1 ? 200 : 0,
  arena: memory === "own",
});
const createMs = performance.now() - before;
await session.run(items[0]!);
tell({ kind: "ready", createMs, runMs: performance.now() - before - createMs });

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToRawChild) => void handle(message));

async function handle(message: ToRawChild): Promise<void> {
  if (message.kind === "batch") {
    await runTogether(message.items);
    tell({ kind: "ran" });
  } else if (message.kind === "singles") {
    const ms: number[] = [];
    for (const item of message.items) {
      const start = performance.now();
      await runTogether([item]);
      ms.push(performance.now() - start);
    }
    tell({ kind: "took", ms });
  } else {
    tell({ kind: "rows", rows });
    rows.clear();
  }
}

async function runTogether(chosen: number[]): Promise<void> {
  const [output] = (await session.run(joined(chosen.map((item) => items[item]!)))).values();
  if (output?.dtype !== "float32") throw new Error("the first output is not float32");
  const width = output.data.length / chosen.length;
  for (const [row, item] of chosen.entries())
    rows.set(item, output.data.slice(row * width, (row + 1) * width));
}

/** Items of one or more as one batch; only [1, n] tensors of int64 can be of different lengths. */
function joined(chosen: RawItem[]): RawItem {
  const [first] = chosen;
  if (!first || chosen.length === 1) return first!;
  return new Map(
    [...first.keys()].map((name): [string, Tensor] => {
      const tensors = chosen.map((item) => item.get(name)!);
      const longest = Math.max(...tensors.map(({ shape }) => shape[1]!));
      const data = new BigInt64Array(longest * tensors.length);
      for (const [row, tensor] of tensors.entries()) {
        if (tensor.dtype !== "int64") throw new Error(`${name} can't be batched here`);
        data.set(tensor.data, row * longest);
      }
      return [name, { dtype: "int64", shape: [tensors.length, longest], data }];
    }),
  );
}

function tell(message: FromRawChild): void {
  process.send?.(message);
}
