import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphBuilder } from "@modulehub/onnx";
import { startBenchHub } from "../bench-hub.ts";
import type { Scenario } from "../context.ts";
import { known, residentBytes, treeOf } from "../processes.ts";
import { judged, told, unmeasured } from "../row.ts";

const HANDLE = "bench/moving";
const CLIENTS = 8;
/** Before these, memory is still on its way to where it stays. */
const WARM_MOVES = 100;

/** An alias moves between two versions while clients ask for it through the gateway. */
export const aliasMoves: Scenario = async (context) => {
  const moves = context.options.quick ? 60 : 500;
  const hub = await startBenchHub();
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-module-"));
  try {
    for (const factor of [2, 3]) {
      writeModule(folder, factor);
      await hub.publish(folder, HANDLE);
    }
    await hub.client.setAlias(`${HANDLE}/1`, "stable");
    const load = context.load.start({
      to: {
        origin: hub.api,
        path: `/v1/modules/${HANDLE}/versions/stable/infer`,
        headers: { "content-type": "application/json", authorization: `Bearer ${hub.adminToken}` },
      },
      bodies: [JSON.stringify({ inputs: { x: [[1, 2, 3, 4]] } })],
      pace: { kind: "closed", clients: CLIENTS, pauseMs: 5 },
      keepAnswers: true,
    });
    const memory = () => (known ? residentBytes(treeOf(hub.workerPid)) : Number.NaN);
    const move = (index: number) => hub.client.setAlias(`${HANDLE}/${(index % 2) + 1}`, "stable");
    for (let index = 0; index < Math.min(WARM_MOVES, moves); index++) await move(index);
    const start = memory();
    for (let index = 0; index < moves; index++) await move(index);
    const end = memory();
    load.stop();
    const { status, answers, errors } = await load.report;
    const wrong = status.filter((code, at) => code !== 200 || !isAnswer(answers[at]!)).length;
    const seen = new Set(
      answers.map(
        (answer) =>
          Buffer.from(answer)
            .toString("utf8")
            .match(/"version":(\d)/)?.[1],
      ),
    );
    return [
      judged(
        `${moves} moves of an alias under load: errors`,
        "aliasErrors",
        wrong,
        { atMost: 0 },
        {
          note: `${status.length} requests, answered by ${seen.size} versions ${errors.join()}`,
        },
      ),
      known
        ? judged("  memory of the worker and its engines, end ÷ start", "aliasMemory", end / start, {
            atMost: 1.05,
          })
        : unmeasured("  memory of the worker and its engines", "it can be told on Linux only"),
      told("  at the start", "aliasMemoryStartMB", start / 1e6, " MB"),
    ];
  } finally {
    await hub.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** y = factor · x. */
function writeModule(folder: string, factor: number): void {
  const g = new GraphBuilder({ name: `times ${factor}` });
  g.output("y", g.mul(g.input("x", "float32", ["batch", 4]), g.scalar(factor)));
  writeFileSync(join(folder, "model.onnx"), g.toBytes());
  const spec = { dtype: "float32", shape: ["batch", 4] };
  const manifest = {
    schemaVersion: 1,
    task: "other",
    signatures: { default: { inputs: { x: spec }, outputs: { y: spec } } },
    examples: [{ inputs: { x: [[1, 2, 3, 4]] } }],
  };
  writeFileSync(join(folder, "module.json"), JSON.stringify(manifest));
}

/** The answer is that of the version that it names. */
function isAnswer(answer: Uint8Array): boolean {
  const { version, outputs }: { version: number; outputs: { y: { data: number[] } } } = JSON.parse(
    Buffer.from(answer).toString("utf8"),
  );
  return outputs.y.data.every((value, index) => value === (index + 1) * (version + 1));
}
