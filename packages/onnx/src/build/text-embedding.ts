import { problem } from "@modulehub/core/problem";
import { GraphBuilder } from "../graph-builder.ts";
import { reduce } from "../portable.ts";
import type { ModelProto } from "../schema.ts";
import type { Value } from "../value.ts";
import { type EmbeddingTable, layOutTable, quantizeRows } from "./embedding-table.ts";
import { CONTRACTIONS, WORD_PATTERN } from "./english-words.ts";
import type { WordVectors } from "./word-vectors.ts";

export interface TextEmbeddingOptions {
  /**
   * Make the text lower case (ASCII letters: the runtime knows no more without the system's locales) and drop
   * punctuation before the words are looked up.
   */
  normalize?: boolean;
  /** Share of the words, the least frequent ones, that give way to hash buckets; TensorFlow Hub's is 2.5 %. */
  hashedShare?: number;
  /** Hash buckets; a fourth of the words that give way unless told. */
  buckets?: number;
  /** How the table is stored: int8 with a scale a row (a fourth of the size, cosine about 0.9999) or float32. */
  storage?: "int8" | "float32";
  name?: string;
}

/**
 * A text embedding as one graph: `text` of string [batch] in, `default` of float32 [batch, dimensions] out. A text's
 * vector is the sum of its words' vectors divided by the square root of their number (TensorFlow's "sqrtn"); a text
 * without words gives zeros. Words that are not in the table go to the bucket MurmurHash3(word) mod buckets.
 * Modelled on TensorFlow Hub's `google/nnlm-en-dim…`.
 *
 * Memory is that of [batch, longest text in words, dimensions]: bound the words of a text before the graph.
 * Throws `asset-invalid` for words and vectors that don't fit each other.
 */
export function buildTextEmbedding(source: WordVectors, options: TextEmbeddingOptions = {}): ModelProto {
  const { normalize = false, hashedShare = 0.025, storage = "int8", name = "text-embedding" } = options;
  if (!(hashedShare >= 0 && hashedShare < 1))
    throw problem("asset-invalid", "The hashed share must lie in [0, 1).");
  const buckets = options.buckets ?? Math.max(1, Math.round((source.words.length * hashedShare) / 4));
  const table = layOutTable(source, { hashedShare, buckets }, normalize ? CONTRACTIONS : undefined);
  const g = new GraphBuilder({ name, opset: 20 });
  const text = g.input("text", "string", ["batch"]);
  const words = normalize ? normalizedWords(g, text) : g.stringSplit(text);
  const rows = lookUp(g, words, table);
  const present = g.cast(g.not(g.equal(rows, g.scalar(table.padding, "int64"))), { to: 1 });
  const count = reduce(g, "ReduceSum", present, [1], true);
  const sum = reduce(g, "ReduceSum", gatherRows(g, rows, table, storage), [1], false);
  g.output("default", g.div(sum, g.sqrt(g.max([count, g.scalar(1)]))));
  return g.toModel();
}

/** Words of lower-cased texts without punctuation, [batch, longest], padded with "". */
function normalizedWords(g: GraphBuilder, text: Value): Value {
  const lower = g.stringNormalizer(text, { case_change_action: "LOWER", locale: "C" });
  return g.tokenizer(lower, { mark: 0, mincharnum: 1, pad_value: "", tokenexp: WORD_PATTERN });
}

/** Rows of the table by word: of the vocabulary, else of the word's bucket; "" is padding, the row of zeros. */
function lookUp(g: GraphBuilder, words: Value, table: EmbeddingTable): Value {
  const known = g.labelEncoder(words, {
    keys_strings: [...table.rows.keys(), ""],
    values_int64s: [...table.rows.values(), table.padding],
    default_int64: -1,
  });
  const hash = g.cast(g.murmurHash3(words, { positive: 1, seed: 0 }), { to: 7 });
  const bucket = g.add(g.mod(hash, g.scalar(table.buckets, "int64")), g.scalar(table.firstBucket, "int64"));
  return g.where(g.less(known, g.scalar(0, "int64")), bucket, known);
}

/** Vectors of the rows, [batch, longest, dimensions]; only the rows that are asked for are made float32. */
function gatherRows(g: GraphBuilder, rows: Value, table: EmbeddingTable, storage: "int8" | "float32"): Value {
  const { vectors, dimensions } = table;
  if (storage === "float32") {
    const shape = [vectors.length / dimensions, dimensions];
    return g.gather(g.constant({ dtype: "float32", shape, data: vectors }, "vectors"), rows);
  }
  const { codes, scales } = quantizeRows(table);
  const numbers = g.cast(g.gather(g.constant(codes, "codes"), rows), { to: 1 });
  return g.mul(numbers, g.gather(g.constant(scales, "scales"), rows));
}
