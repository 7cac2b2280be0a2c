import { fork } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphBuilder, openSource, readModel, writeModel } from "@modulehub/onnx";

const GIGABYTE = 2 ** 30;
const LAYERS = 64;
const PAIRS = 5;

/**
 * Reading the structure of a model of 1 GB whose weights lie in the file, each time in a fresh process:
 * milliseconds, and growth of its memory in MB. The promise is 200 ms and 64 MB. The baseline is a process
 * that reads the file's bytes whole.
 */
export async function run(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-read-"));
  try {
    const path = join(folder, "model.onnx");
    writeLargeModel(path);
    const structure: Sample[] = [];
    const whole: Sample[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      structure.push(await sample("structure", path));
      whole.push(await sample("whole", path));
    }
    return {
      readModelMs: median(structure.map(({ ms }) => ms)),
      readModelGrowthMB: median(structure.map(({ growth }) => growth)) / 1e6,
      readModelOverWholeFile: median(structure.map(({ ms }, index) => ms / whole[index]!.ms)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Sample {
  ms: number;
  growth: number;
}

/** A chain of matrix products whose weights sum up to 1 GB, all zeros. */
function writeLargeModel(path: string): void {
  const size = Math.sqrt(GIGABYTE / LAYERS / 4);
  const weights = new Float32Array(size * size);
  const builder = new GraphBuilder({ name: "large" });
  let value = builder.input("x", "float32", ["batch", size]);
  for (let layer = 0; layer < LAYERS; layer++)
    value = builder.relu(
      builder.matMul(value, builder.constant({ dtype: "float32", shape: [size, size], data: weights })),
    );
  builder.output("y", value);
  const file = openSync(path, "w");
  writeModel(builder.toModel(), file);
  closeSync(file);
}

async function sample(kind: string, path: string): Promise<Sample> {
  const child = fork(import.meta.filename, [kind, path], { execArgv: [] });
  return await new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Sample));
    child.once("exit", (code) => code !== 0 && reject(new Error(`the reading process ended with ${code}`)));
  });
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

if (import.meta.main) {
  const [kind, path] = process.argv.slice(2);
  if (path === undefined) throw new TypeError("name what to do and a file");
  const before = process.memoryUsage.rss();
  const start = performance.now();
  if (kind === "structure") {
    using source = openSource(path);
    const { nodes } = readModel(source);
    if (nodes !== 2 * LAYERS) throw new Error(`the model has ${nodes} nodes`);
  } else if (readFileSync(path).byteLength < GIGABYTE) throw new Error("the file is too short");
  const ms = performance.now() - start;
  process.send?.({ ms, growth: process.resourceUsage().maxRSS * 1024 - before });
}
