import { readFile } from "node:fs/promises";
import { problem } from "@modulehub/core";
import { bytesSource, type ModelSummary, openSource, readModel } from "@modulehub/onnx";
import type { z } from "zod";
import type { SourceFile } from "../publish/source-file.ts";

/** Configuration files are read whole; a larger one is something else. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The bytes of a file that is small enough to lie in memory. Throws `asset-invalid` where it isn't. */
export async function readSmall(source: SourceFile): Promise<Uint8Array> {
  if (source.size > MOST_BYTES)
    throw problem("asset-invalid", `${source.path} is too large to be what its name says.`);
  return "bytes" in source.content ? source.content.bytes : readFile(source.content.file);
}

/** The files that a manifest is derived from. */
export class Layout {
  readonly files: readonly SourceFile[];

  constructor(files: readonly SourceFile[]) {
    this.files = files;
  }

  find(path: string): SourceFile | undefined {
    return this.files.find((file) => file.path === path);
  }

  /** A JSON file by its schema; undefined where there is none. Throws `asset-invalid` for another form. */
  async json<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const file = this.find(path);
    if (!file) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await readSmall(file)));
    } catch (cause) {
      throw problem("asset-invalid", `${path} is not JSON in UTF-8; repair it or write a module.json.`, {
        cause,
      });
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw problem("asset-invalid", `${path} has a form that is not known; write a module.json.`, {
      cause: parsed.error,
    });
  }

  /** Where exporters put the graph, the full-precision one first. */
  graph(): SourceFile | undefined {
    for (const path of ["onnx/model.onnx", "model.onnx"]) {
      const file = this.find(path);
      if (file) return file;
    }
    const graphs = this.files.filter((file) => /\.onnx$/i.test(file.path));
    return graphs.length === 1 ? graphs[0] : undefined;
  }
}

/** What a graph file is, without its tensors. Throws `not-onnx` and the reader's other codes. */
export function summaryOf(graph: SourceFile): ModelSummary {
  if ("bytes" in graph.content) return readModel(bytesSource(graph.content.bytes));
  using source = openSource(graph.content.file);
  return readModel(source);
}
