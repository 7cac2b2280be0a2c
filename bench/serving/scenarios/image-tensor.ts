import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import { BINARY_HEADER, type Tensor } from "@modulehub/core";
import { CORES, type Scenario } from "../context.ts";
import { startLoneWorker, storedGraph } from "../lone-worker.ts";
import { difference, interleaved } from "../pairs.ts";
import { RawChild } from "../raw/raw.ts";
import { judged, told } from "../row.ts";
import { median, seededRandom } from "../statistics.ts";

/** The graph of an example module that a fresh hub has: EfficientNet-Lite0, weights in float16. */
const GRAPH = new URL(
  "../../../examples/modules/efficientnet-lite0/classification/model.onnx",
  import.meta.url,
);
const SHAPE = [1, 3, 224, 224];
const CLASSES = 1000;

/** An image as numbers in the binary form, one client, against the bare call. */
export const imageTensor: Scenario = async (context) => {
  const graph = readFileSync(GRAPH);
  const random = seededRandom(17);
  const data = Float32Array.from({ length: 3 * 224 * 224 }, () => 2 * random() - 1);
  const module = storedGraph(graph, {
    signatures: {
      default: {
        inputs: { image: { dtype: "float32", shape: ["batch", 3, 224, 224] } },
        outputs: { logits: { dtype: "float32", shape: ["batch", CLASSES] } },
      },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const items = join(folder, "items.v8");
  const image: Tensor = { dtype: "float32", shape: SHAPE, data };
  writeFileSync(items, serialize([new Map([["image", image]])]));
  writeFileSync(join(folder, "model.onnx"), graph);
  const raw = await RawChild.start(join(folder, "model.onnx"), items, CORES);
  const worker = await startLoneWorker([module], { MODULEHUB_LOG_LEVEL: "silent" });
  try {
    const header = Buffer.from(
      JSON.stringify({
        inputs: [
          {
            name: "image",
            shape: SHAPE,
            datatype: "FP32",
            parameters: { binary_data_size: data.byteLength },
          },
        ],
      }),
    );
    const call = worker.call(module);
    const to = {
      ...call,
      headers: {
        ...call.headers,
        "content-type": "application/octet-stream",
        [BINARY_HEADER]: String(header.byteLength),
      },
    };
    const body = Buffer.concat([header, Buffer.from(data.buffer)]);
    const requests = context.options.quick ? 30 : 100;
    await raw.singles([0, 0, 0]);
    const expected = (await raw.rows()).get(0)!;
    const direct = async () => {
      const report = await context.load.run({
        to,
        bodies: [body],
        pace: { kind: "closed", clients: 1, requests },
        keepAnswers: true,
      });
      for (const [at, code] of report.status.entries()) checkImage(code, report.answers[at]!, expected);
      return median(report.tookMs);
    };
    const bare = async () => median(await raw.singles(Array.from({ length: requests }, () => 0)));
    await direct();
    const found = await interleaved(context.options.pairs, { direct, bare });
    return [
      judged(
        "1×3×224×224 float32, binary, p50 direct − raw run",
        "imageOverRawMs",
        difference(found.direct, found.bare),
        { atMost: 1 },
        { unit: " ms" },
      ),
      told("  raw", "imageRawMs", median(found.bare), " ms"),
    ];
  } finally {
    await worker.stop();
    await raw.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** The scores are the answer's last bytes. Throws where they are not the raw run's, to the contracts' tolerance. */
function checkImage(code: number, answer: Uint8Array, expected: Float32Array): void {
  if (code !== 200) throw new Error(`a request was answered with ${code}: ${Buffer.from(answer)}`);
  const scores = new Float32Array(answer.slice(-4 * expected.length).buffer);
  const most = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  for (const [index, value] of expected.entries())
    if (!(Math.abs(scores[index]! - value) <= 1e-6 * most))
      throw new Error(`class ${index} differs by ${Math.abs(scores[index]! - value)}`);
}
