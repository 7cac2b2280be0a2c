import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSafeFilePath, problem } from "@modulehub/core";
import { LocalFileError } from "../connection-error.ts";
import type { SourceFile } from "../publish/source-file.ts";
import type { DerivedModule } from "./derive-module.ts";
import { graphSignature } from "./graph-signature.ts";
import { type Layout, summaryOf } from "./layout-file.ts";

/** A graph and nothing that says more about it: its own inputs and outputs are the signature. */
export async function deriveOnnxFile(layout: Layout): Promise<DerivedModule | undefined> {
  const graph = layout.graph();
  if (!graph) return undefined;
  const { inputs, outputs, notes } = graphSignature(summaryOf(graph));
  const signature = { inputs, outputs, ...(graph.path !== "model.onnx" && { graph: graph.path }) };
  return {
    manifest: { schemaVersion: 1, task: "other", signatures: { default: signature } },
    layout: "a single ONNX graph",
    notes,
    added: [],
  };
}

/**
 * The files of a module that is one `.onnx` file: the graph as `model.onnx`, and the files next to it in which
 * it keeps its tensors, under the names that it calls them by. Throws `external-data-missing`,
 * `external-data-invalid`, and the reader's codes.
 */
export async function bareGraphFiles(path: string): Promise<SourceFile[]> {
  const { size } = await lstat(path);
  const graph: SourceFile = { path: "model.onnx", size, content: { file: path } };
  const locations = new Set(summaryOf(graph).externalData.map((tensor) => tensor.location));
  if (locations.size === 0) return [graph];
  for (const location of locations)
    if (!isSafeFilePath(location) || location === "model.onnx" || location === "module.json")
      throw problem(
        "external-data-invalid",
        `The graph keeps tensors in ${JSON.stringify(location.slice(0, 100))}, which is no file of a module.`,
      );
  const beside = await Promise.all(
    [...locations].sort().map((location) => externalFile(dirname(path), location)),
  );
  return [graph, ...beside];
}

async function externalFile(folder: string, location: string): Promise<SourceFile> {
  const file = join(folder, location);
  const entry = await lstat(file).catch((cause: unknown) => {
    throw problem("external-data-missing", `The graph keeps tensors in ${location}, which is not there.`, {
      cause,
    });
  });
  if (!entry.isFile()) throw new LocalFileError(`${file} is not a regular file. Put the file itself there.`);
  return { path: location, size: entry.size, content: { file } };
}
