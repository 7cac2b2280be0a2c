import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { LocalFileError } from "@modulehub/client";
import type { Manifest } from "@modulehub/core";
import { buildTextEmbedding, readWordVectors, writeModel } from "@modulehub/onnx";

export interface TextEmbeddingRequest {
  /** File of word vectors. */
  vectors: string;
  /** Where the module goes: a folder that is empty, or not there. */
  folder: string;
  normalize: boolean;
  /** Words of a text that count. */
  maxWords: number;
  /** Words of the file that are taken; absent: all. */
  words: number | undefined;
  /** How the vectors' numbers are stored. */
  storage: "int8" | "float32";
}

/** Writes a module from word vectors, ready to publish: module.json, model.onnx, README.md, LICENSE.md. */
export async function writeTextEmbedding(
  request: TextEmbeddingRequest,
): Promise<{ words: number; dimensions: number; bytes: number }> {
  const { folder } = request;
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0)
    throw new LocalFileError(`${folder} is not empty. Name a folder that is, or that does not exist yet.`);
  const made = await writeGraph(join(folder, "model.onnx"), request);
  const json = JSON.stringify(manifest(made.dimensions, request.maxWords), null, 2);
  await writeFile(join(folder, "module.json"), `${json}\n`);
  await writeFile(join(folder, "README.md"), readme(request, made));
  await writeFile(join(folder, "LICENSE.md"), LICENSE);
  return made;
}

/** A file that can't be read is a LocalFileError, one of another form `asset-invalid`. */
async function writeGraph(
  graph: string,
  { vectors, normalize, words: limit, storage }: TextEmbeddingRequest,
): Promise<{ words: number; dimensions: number; bytes: number }> {
  const table = await readWordVectors(vectors, limit).catch((error: unknown) => {
    if (error instanceof Error && "syscall" in error)
      throw new LocalFileError(`${vectors} can't be read. Give a file of word vectors.`, error);
    throw error;
  });
  const descriptor = openSync(graph, "w");
  try {
    const bytes = writeModel(buildTextEmbedding(table, { normalize, storage }), descriptor);
    return { words: table.words.length, dimensions: table.dimensions, bytes };
  } finally {
    closeSync(descriptor);
  }
}

function manifest(dimensions: number, maxWords: number): Manifest {
  return {
    schemaVersion: 1,
    task: "text-embedding",
    signatures: {
      default: {
        inputs: { text: { dtype: "string", shape: ["batch"], maxWords } },
        outputs: { default: { dtype: "float32", shape: ["batch", dimensions] } },
      },
    },
    examples: [
      { signature: "default", inputs: { text: ["cat is on the mat", "dog", ""] } },
      { signature: "default", inputs: { text: ["The parliament debated the new budget until late."] } },
    ],
  };
}

function readme(
  { vectors, normalize }: TextEmbeddingRequest,
  made: { words: number; dimensions: number },
): string {
  const preparation = normalize
    ? "Texts are lower-cased and lose their punctuation inside the graph."
    : "Words are looked up as they are; lower-case texts first if the vectors are of lower-case words.";
  return `---
title: Text embedding, ${made.dimensions} dimensions
task: text-embedding
domain: text
architecture: NNLM
library_name: onnx
tags: [word-vectors]
---

# A text as ${made.dimensions} numbers

The sum of the vectors of its words, divided by the square root of their number. Made from \`${basename(vectors)}\`, ${made.words} words.

- \`text\`: string [batch]
- \`default\`: float32 [batch, ${made.dimensions}]

${preparation} The least frequent 2.5 % of the words, and those that are not known, share hash buckets. A text without words gives zeros.
`;
}

const LICENSE = `# Licence

The vectors' licence is that of the file they were made from. Write here which it is and where the file came from, and put the same \`license\` into the front matter of README.md.
`;
