import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cutAtTables, GraphBuilder, RandomSequence, unsqueeze } from "@modulehub/onnx";
import { TableFeatures } from "@modulehub/runtime";
import { ALLOCATION } from "@modulehub/worker/allocation";
import { python } from "./python.ts";
import { train } from "./runs.ts";

const FOLDER = join(import.meta.dirname, "../../.cache/bench/training");
const TABLE = 340_000;
const DIMENSIONS = 100;
const EXAMPLES = 4000;
const BATCH = 128;

/** Texts as row numbers: 230 words on average, their frequency one by rank (Zipf), as in natural text. */
function texts(): { rows: Int32Array; offsets: Int32Array } {
  const random = new RandomSequence(4, "initialize");
  const offsets = new Int32Array(EXAMPLES + 1);
  for (let at = 0; at < EXAMPLES; at++)
    offsets[at + 1] = offsets[at]! + Math.max(20, Math.round(230 * Math.exp(0.6 * random.normal() - 0.18)));
  const rows = Int32Array.from({ length: offsets[EXAMPLES]! }, () =>
    Math.min(TABLE - 2, Math.floor(Math.exp(random.uniform() * Math.log(TABLE)))),
  );
  return { rows, offsets };
}

/** The base: sums of a text's vectors over the root of their number. */
function base() {
  const g = new GraphBuilder({ name: "sums", opset: 20 });
  const rows = g.input("rows", "int64", ["batch", "longest"]);
  const vectors = Float32Array.from({ length: TABLE * DIMENSIONS }, (_, at) => (at % 1009) / 1009 - 0.5);
  vectors.fill(0, (TABLE - 1) * DIMENSIONS);
  const table = g.constant({ dtype: "float32", shape: [TABLE, DIMENSIONS], data: vectors }, "vectors");
  const present = g.cast(g.not(g.equal(rows, g.scalar(TABLE - 1, "int64"))), { to: 1 });
  const count = g.reduceSum(present, g.ints([1]), { keepdims: 0 });
  const sums = g.reduceSum(g.gather(table, rows), g.ints([1]), { keepdims: 0 });
  g.output("default", g.div(sums, unsqueeze(g, g.sqrt(g.max([count, g.scalar(1)])), [1])));
  return cutAtTables(g.toModel(), "default");
}

/** The texts, the base that is trained, and what its front gives of them. */
function prepared() {
  const data = texts();
  const cut = base();
  const start = cut.tables[0]!.read();
  const collected = new TableFeatures(cut, new Map([["vectors", start]]));
  for (let at = 0; at < EXAMPLES; at++) collected.add(frontOf(data, at, cut.feeds[0]!.name));
  const classes = Int32Array.from({ length: EXAMPLES }, (_, at) => at % 2);
  return { cut, start, features: collected.finish(), classes };
}

/** Seconds of some steps by the hub's loop, in this process. */
export async function hubSteps(steps: number, threads: number): Promise<number> {
  const { cut, start, features, classes } = prepared();
  const run = async (count: number) => {
    const trained = await train({
      settings: {
        optimizer: { name: "adagrad" },
        learningRate: 0.1,
        steps: count,
        batch: BATCH,
        trainable: true,
      },
      ends: { features: DIMENSIONS, outputs: 2 },
      train: { features, labels: { kind: "softmax", classes } },
      base: cut,
      tables: new Map([["vectors", start]]),
      threads,
    });
    await trained.close();
    return trained.seconds;
  };
  // What is left of the longer run are steps of a session that has run before.
  const few = await run(10);
  return (await run(steps + 10)) - few;
}

/** Seconds of some steps, by the hub's loop in a process with a job's settings of memory, and by PyTorch. */
export function tableSteps(steps: number, threads: number) {
  const data = texts();
  mkdirSync(FOLDER, { recursive: true });
  const files = [join(FOLDER, "rows.i32"), join(FOLDER, "offsets.i32")];
  writeFileSync(files[0]!, new Uint8Array(data.rows.buffer));
  writeFileSync(files[1]!, new Uint8Array(data.offsets.buffer));
  const child = join(import.meta.dirname, "table-steps-child.ts");
  const env = { ...process.env, ...ALLOCATION };
  return {
    ours: async (): Promise<number> =>
      Number(
        execFileSync(process.execPath, [child, String(steps), String(threads)], { env, encoding: "utf8" }),
      ),
    torch: async (): Promise<number> =>
      Number(python("table-steps.py", [...files, EXAMPLES, TABLE, DIMENSIONS, BATCH, steps, threads])),
  };
}

/** What the front would give of one text. */
function frontOf({ rows, offsets }: ReturnType<typeof texts>, at: number, feed: string) {
  const own = rows.subarray(offsets[at], offsets[at + 1]);
  return new Map([
    ["rows", { dtype: "int64" as const, shape: [1, own.length], data: BigInt64Array.from(own, BigInt) }],
    [feed, { dtype: "float32" as const, shape: [1, 1], data: Float32Array.of(Math.sqrt(own.length)) }],
  ]);
}
