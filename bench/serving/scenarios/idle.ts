import { setTimeout as sleep } from "node:timers/promises";
import { buildTransformer, modelBytes } from "@modulehub/onnx";
import type { Scenario } from "../context.ts";
import { startLoneWorker, storedGraph } from "../lone-worker.ts";
import { askOnce } from "../once.ts";
import { cpuSeconds, enginesOf, known, treeOf } from "../processes.ts";
import { judged, unmeasured } from "../row.ts";

const MODULES = 20;
const GOAL = `${MODULES} modules loaded, idle: part of a core`;

/** What a worker with many loaded modules uses when nobody asks. */
export const idle: Scenario = async (context) => {
  if (!known) return [unmeasured(GOAL, "CPU time of processes can be told on Linux only")];
  const sequence = { dtype: "int64", shape: ["batch", "sequence"] };
  const graph = modelBytes(
    buildTransformer({
      vocabulary: 100,
      hidden: 32,
      layers: 2,
      heads: 4,
      intermediate: 64,
      positions: 32,
      seed: 3,
    }),
  );
  const inputs = ["input_ids", "attention_mask", "token_type_ids"];
  const tokens = Object.fromEntries(inputs.map((name) => [name, [[1, 1, 1]]]));
  const manifest = {
    signatures: {
      default: {
        inputs: Object.fromEntries(inputs.map((name) => [name, sequence])),
        outputs: { last_hidden_state: { dtype: "float32", shape: ["batch", "sequence", 32] } },
      },
    },
    examples: [{ inputs: tokens }],
  };
  const modules = Array.from({ length: MODULES }, (_, index) =>
    storedGraph(graph, manifest, {}, `copy ${index}`),
  );
  const worker = await startLoneWorker(modules, { MODULEHUB_LOG_LEVEL: "silent" });
  try {
    const body = JSON.stringify({ inputs: tokens });
    for (const module of modules) await askOnce(context, worker.call(module), body);
    const loaded = (await worker.metrics()).sum("modulehub_worker_engines");
    // Optimised graphs are written a while after the first load.
    await sleep(context.options.quick ? 5000 : 15_000);
    const seconds = context.options.quick ? 5 : 30;
    const before = cpuSeconds(treeOf(worker.pid));
    await sleep(seconds * 1000);
    const used = cpuSeconds(treeOf(worker.pid)) - before;
    return [
      judged(
        GOAL,
        "idlePartOfCore",
        used / seconds,
        { atMost: 0.01 },
        {
          note: `${loaded} engines, ${enginesOf(worker.pid).length} processes`,
        },
      ),
    ];
  } finally {
    await worker.stop();
  }
};
