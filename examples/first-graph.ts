/**
 * A first graph, from tensors and operations: relu(W·x + b). Runs it in a session, runs two graphs side by side
 * in two sessions, and publishes the first as a module.
 *
 *     node examples/first-graph.ts
 *     node examples/first-graph.ts --publish me/first-graph      a hub: MODULEHUB_URL, MODULEHUB_TOKEN
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Hub } from "@modulehub/client";
import type { Manifest, TensorOf } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { openSession } from "@modulehub/runtime/session";

/** A float32 tensor. */
const float32 = (shape: number[], values: number[]): TensorOf<"float32"> => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});

const W = float32([2, 3], [1, 0, -1, 0.5, 2, 0]);
const b = float32([2], [0.5, -4]);

/** x [3] → y [2]: relu(W·x + b). */
function layer(): Uint8Array {
  const g = new GraphBuilder({ name: "first-graph" });
  const x = g.input("x", "float32", [3]);
  g.output("y", g.relu(g.add(g.matMul(g.constant(W, "W"), x), g.constant(b, "b"))));
  return g.toBytes();
}

/** x [3] → p [3]: softmax(x). */
function probabilities(): Uint8Array {
  const g = new GraphBuilder({ name: "second-graph" });
  g.output("p", g.softmax(g.input("x", "float32", [3]), { axis: -1 }));
  return g.toBytes();
}

const manifest: Manifest = {
  schemaVersion: 1,
  task: "example",
  signatures: {
    default: {
      inputs: { x: { dtype: "float32", shape: [3] } },
      outputs: { y: { dtype: "float32", shape: [2] } },
    },
  },
  examples: [{ title: "One vector", signature: "default", inputs: { x: [3, 1, 1] } }],
};

const README = `---
title: A first graph
task: example
license: apache-2.0
---

# relu(W·x + b)

Two rows of weights, a bias, nothing below zero. Written by \`examples/first-graph.ts\`.
`;

const { values } = parseArgs({ options: { publish: { type: "string" } } });
const folder = await mkdtemp(join(tmpdir(), "first-graph-"));
try {
  const files = { layer: join(folder, "model.onnx"), probabilities: join(folder, "softmax.onnx") };
  await writeFile(files.layer, layer());
  await writeFile(files.probabilities, probabilities());

  // W·x + b = [3 - 1 + 0.5, 1.5 + 2 - 4] = [2.5, -0.5]; relu leaves [2.5, 0].
  const x = float32([3], [3, 1, 1]);
  const session = await openSession(files.layer, { threads: 1 });
  const { y } = Object.fromEntries(await session.run(new Map([["x", x]])));
  console.log("relu(W·x + b) =", y?.data);

  const other = await openSession(files.probabilities, { threads: 1 });
  const [first, second] = await Promise.all([
    session.run(new Map([["x", float32([3], [-1, 4, 2])]])),
    other.run(new Map([["x", x]])),
  ]);
  console.log("side by side: relu(W·x + b) =", first.get("y")?.data, " softmax(x) =", second.get("p")?.data);
  await Promise.all([session.close(), other.close()]);

  if (values.publish !== undefined) await publish(values.publish, files.probabilities);
  else console.log("Publish it with --publish PUBLISHER/NAME.");
} finally {
  await rm(folder, { recursive: true });
}

async function publish(handle: string, leaveOut: string): Promise<void> {
  await rm(leaveOut);
  await writeFile(join(folder, "module.json"), JSON.stringify(manifest, null, 2));
  await writeFile(join(folder, "README.md"), README);
  const hub = new Hub({
    url: process.env.MODULEHUB_URL || "http://127.0.0.1:8080",
    token: process.env.MODULEHUB_TOKEN || undefined,
  });
  for await (const event of hub.publish(folder, handle, { visibility: "public", createPublisher: true })) {
    if (event.kind === "published") console.log(`published ${event.handle}, ${event.digest}`);
    if (event.kind === "rejected" || event.kind === "failed") {
      console.error(event.problems);
      process.exitCode = 1;
    }
  }
}
