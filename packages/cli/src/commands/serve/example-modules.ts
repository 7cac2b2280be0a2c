import { closeSync, openSync } from "node:fs";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Hub } from "@modulehub/client";
import { ProblemError } from "@modulehub/core";
import { cutOutputs, decodeModel, openSource, writeModel } from "@modulehub/onnx";
import { z } from "zod";
import { problemText } from "../../error-text.ts";
import { writeTextEmbeddingGraph } from "../../text-embedding-folder.ts";

/** `examples/modules.json`; paths are relative to its folder. */
const listSchema = z.object({
  modules: z.array(
    z.object({
      handle: z.string(),
      folder: z.string(),
      /** How its model.onnx is made; absent: it lies in the folder. */
      build: z
        .discriminatedUnion("kind", [
          z.object({ kind: z.literal("text-embedding"), vectors: z.string(), normalize: z.boolean() }),
          z.object({ kind: z.literal("cut-outputs"), graph: z.string(), outputs: z.array(z.string()) }),
        ])
        .optional(),
    }),
  ),
});
type ExampleModule = z.infer<typeof listSchema>["modules"][number];

/** Where the examples lie in the project. */
const EXAMPLES = fileURLToPath(new URL("../../../../../examples/", import.meta.url));

/**
 * Publishes the example modules that are missing on a hub that holds nothing but examples: an empty one, or one
 * whose first start was cut short. One that fails is told and keeps no other back.
 */
export async function publishExamples(
  hub: Hub,
  say: (line: string) => void,
  signal: AbortSignal,
  folder: string = EXAMPLES,
): Promise<void> {
  const { modules } = listSchema.parse(JSON.parse(await readFile(join(folder, "modules.json"), "utf8")));
  const handles = new Set(modules.map(({ handle }) => handle));
  const { items } = await hub.listModules({ limit: handles.size + 1 });
  if (items.some(({ module }) => !handles.has(module))) return;
  for (const example of modules) {
    if (signal.aborted) return;
    if (await exists(hub, example.handle)) continue;
    const started = performance.now();
    say(`Publishing the example ${example.handle} …`);
    try {
      await publishExample(hub, example, folder, signal);
      say(`Published ${example.handle} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      if (signal.aborted) return;
      say(`The example ${example.handle} could not be published: ${reason(error)}`);
    }
  }
}

/** One that was deleted stays deleted. */
async function exists(hub: Hub, handle: string): Promise<boolean> {
  try {
    await hub.resolve(handle);
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return false;
    if (error instanceof ProblemError && error.status === 410) return true;
    throw error;
  }
}

async function publishExample(
  hub: Hub,
  example: ExampleModule,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const source = join(folder, example.folder);
  if (!example.build) return publishFolder(hub, source, example.handle, signal);
  const copy = await mkdtemp(join(tmpdir(), "modulehub-example-"));
  try {
    await cp(source, copy, { recursive: true });
    await makeGraph(example.build, folder, join(copy, "model.onnx"));
    await publishFolder(hub, copy, example.handle, signal);
  } finally {
    await rm(copy, { recursive: true });
  }
}

async function makeGraph(
  build: NonNullable<ExampleModule["build"]>,
  folder: string,
  target: string,
): Promise<void> {
  if (build.kind === "text-embedding") {
    await writeTextEmbeddingGraph(join(folder, build.vectors), target, build.normalize);
    return;
  }
  using source = openSource(join(folder, build.graph));
  const descriptor = openSync(target, "w");
  try {
    writeModel(cutOutputs(decodeModel(source), build.outputs), descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function publishFolder(hub: Hub, path: string, handle: string, signal: AbortSignal): Promise<void> {
  for await (const event of hub.publish(path, handle, {
    visibility: "public",
    createPublisher: true,
    signal,
  }))
    if (event.kind === "rejected" || event.kind === "failed")
      throw new Error(event.problems.map(problemText).join("\n") || "no reason was given");
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
