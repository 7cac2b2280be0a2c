/**
 * Puts the example modules together as a fresh hub publishes them: `node examples/assemble.ts FOLDER`.
 *
 * modules.json lists them. A module whose graph is not committed gets it here, built from the word vectors or cut
 * from another module's graph.
 */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTextEmbedding, cutOutputs, decodeModel, modelBytes, readWordVectors } from "@modulehub/onnx";

/** How a module's model.onnx is made; paths are relative to this folder. */
type Build =
  | { kind: "text-embedding"; vectors: string; normalize: boolean }
  | { kind: "cut-outputs"; graph: string; outputs: string[] };

/** An entry of modules.json. */
export interface ListedModule {
  handle: string;
  folder: string;
  build?: Build;
}

/** A complete module folder, ready to publish. */
export interface ExampleModule {
  handle: string;
  folder: string;
}

/** The entries of modules.json, in the order in which they are published. */
export async function listExamples(): Promise<ListedModule[]> {
  const list: { modules: ListedModule[] } = JSON.parse(
    await readFile(join(import.meta.dirname, "modules.json"), "utf8"),
  );
  return list.modules;
}

/**
 * Writes one example's folder to `{into}/{handle}`: what is committed of it, and the graph that is built.
 * Throws what the builder throws (`asset-invalid`, `output-unknown`), or the file system's errors.
 */
export async function assembleExample(listed: ListedModule, into: string): Promise<ExampleModule> {
  const folder = join(into, ...listed.handle.split("/"));
  await mkdir(folder, { recursive: true });
  await cp(join(import.meta.dirname, listed.folder), folder, { recursive: true });
  if (listed.build) await writeFile(join(folder, "model.onnx"), await buildGraph(listed.build));
  return { handle: listed.handle, folder };
}

async function buildGraph(build: Build): Promise<Uint8Array> {
  if (build.kind === "text-embedding") {
    const vectors = await readWordVectors(join(import.meta.dirname, build.vectors));
    return modelBytes(buildTextEmbedding(vectors, { normalize: build.normalize }));
  }
  const model = decodeModel(await readFile(join(import.meta.dirname, build.graph)));
  return modelBytes(cutOutputs(model, build.outputs));
}

if (import.meta.main) {
  const [into] = process.argv.slice(2);
  if (into === undefined) {
    console.error("Name a folder to write the modules to: node examples/assemble.ts FOLDER");
    process.exitCode = 2;
  } else {
    for (const listed of await listExamples()) {
      const { handle, folder } = await assembleExample(listed, into);
      console.log(`${handle}: ${folder}`);
    }
  }
}
