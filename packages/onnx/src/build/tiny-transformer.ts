import { problem } from "@modulehub/core/problem";
import { elementCount, type TensorOf } from "@modulehub/core/tensor";
import { GraphBuilder } from "../graph-builder.ts";
import type { ModelProto } from "../schema.ts";
import type { Value } from "../value.ts";
import { seededRandom } from "./random.ts";

/** The sizes of a BERT encoder. Source: Devlin et al., "BERT" (2018), and Hugging Face's `BertConfig`. */
export interface TransformerOptions {
  /** Tokens. */
  vocabulary: number;
  /** Numbers per token; a multiple of `heads`. */
  hidden: number;
  layers: number;
  heads: number;
  /** Width of the feed-forward layer; BERT has 4 × hidden. */
  intermediate: number;
  /** Longest sequence, in tokens. */
  positions: number;
  /** Seed of random weights (normal, deviation 0.02, as BERT starts with). */
  seed?: number;
  /**
   * Weights by Hugging Face's names (`embeddings.word_embeddings.weight`, …), matrices as PyTorch has them,
   * [out, in]. Absent: random ones.
   */
  weights?: ReadonlyMap<string, TensorOf<"float32">>;
  name?: string;
}

const EPSILON = 1e-12;
const INITIAL_DEVIATION = 0.02;

/**
 * A BERT encoder: `input_ids`, `attention_mask`, `token_type_ids` of int64 [batch, sequence] in,
 * `last_hidden_state` of float32 [batch, sequence, hidden] out, both sizes open. Throws `graph-invalid` for sizes
 * that don't fit and weights that are missing.
 */
export function buildTransformer(options: TransformerOptions): ModelProto {
  const { hidden, layers, heads, intermediate, vocabulary, positions } = options;
  if (hidden % heads !== 0)
    throw problem("graph-invalid", `${hidden} numbers don't divide into ${heads} heads.`);
  const g = new GraphBuilder({ name: options.name ?? "transformer", opset: 20 });
  const weights = weightSource(g, options);
  const ids = g.input("input_ids", "int64", ["batch", "sequence"]);
  const mask = g.input("attention_mask", "int64", ["batch", "sequence"]);
  const types = g.input("token_type_ids", "int64", ["batch", "sequence"]);

  const normalize = (x: Value, prefix: string): Value =>
    g.layerNormalization(
      x,
      weights(`${prefix}.weight`, [hidden], 1),
      weights(`${prefix}.bias`, [hidden], 0),
      {
        axis: -1,
        epsilon: EPSILON,
      },
    );
  const dense = (x: Value, prefix: string, from: number, to: number): Value =>
    g.add(
      g.matMul(x, weights(`${prefix}.weight`, [to, from], "transposed")),
      weights(`${prefix}.bias`, [to], 0),
    );

  const length = g.gather(g.shape(ids), g.scalar(1, "int64"));
  const order = g.range(g.scalar(0, "int64"), length, g.scalar(1, "int64"));
  const words = g.gather(weights("embeddings.word_embeddings.weight", [vocabulary, hidden]), ids);
  const kinds = g.gather(weights("embeddings.token_type_embeddings.weight", [2, hidden]), types);
  const places = g.gather(weights("embeddings.position_embeddings.weight", [positions, hidden]), order);
  let x = normalize(g.add(g.add(words, kinds), places), "embeddings.LayerNorm");

  // Masked positions get the lowest number before the softmax, as in BERT.
  const keep = g.unsqueeze(g.cast(mask, { to: 1 }), g.ints([1, 2]));
  const bias = g.mul(g.sub(g.scalar(1), keep), g.scalar(-3.4028234663852886e38));
  const size = hidden / heads;
  const split = (y: Value): Value =>
    g.transpose(g.reshape(y, g.ints([0, 0, heads, size])), { perm: [0, 2, 1, 3] });

  for (let layer = 0; layer < layers; layer++) {
    const at = `encoder.layer.${layer}`;
    const [query, key, value] = (["query", "key", "value"] as const).map((part) =>
      split(dense(x, `${at}.attention.self.${part}`, hidden, hidden)),
    ) as [Value, Value, Value];
    const scores = g.mul(
      g.matMul(query, g.transpose(key, { perm: [0, 1, 3, 2] })),
      g.scalar(1 / Math.sqrt(size)),
    );
    const attention = g.matMul(g.softmax(g.add(scores, bias), { axis: -1 }), value);
    const joined = g.reshape(g.transpose(attention, { perm: [0, 2, 1, 3] }), g.ints([0, 0, hidden]));
    const mixed = dense(joined, `${at}.attention.output.dense`, hidden, hidden);
    x = normalize(g.add(mixed, x), `${at}.attention.output.LayerNorm`);
    const wide = g.gelu(dense(x, `${at}.intermediate.dense`, hidden, intermediate));
    x = normalize(
      g.add(dense(wide, `${at}.output.dense`, intermediate, hidden), x),
      `${at}.output.LayerNorm`,
    );
  }
  g.output("last_hidden_state", x);
  return g.toModel();
}

/** Weights by name: the caller's, or made from the seed. Matrices are stored as MatMul takes them, [in, out]. */
function weightSource(g: GraphBuilder, { weights, seed = 0 }: TransformerOptions) {
  const random = seededRandom(seed);
  return (name: string, shape: number[], fill?: number | "transposed"): Value => {
    const tensor = weights ? weights.get(name) : made(shape, fill);
    if (!tensor) throw problem("graph-invalid", `The weight "${name}" is missing.`);
    if (`${tensor.shape}` !== `${shape}`)
      throw problem("graph-invalid", `The weight "${name}" has the shape [${tensor.shape}], not [${shape}].`);
    return g.constant(fill === "transposed" ? transposed(tensor) : tensor, name);
  };
  function made(shape: number[], fill?: number | "transposed"): TensorOf<"float32"> {
    const next = typeof fill === "number" ? () => fill : () => INITIAL_DEVIATION * random.normal();
    return { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, next) };
  }
}

function transposed({ shape, data }: TensorOf<"float32">): TensorOf<"float32"> {
  const [rows = 0, columns = 0] = shape;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = data[row * columns + column] ?? 0;
  return { dtype: "float32", shape: [columns, rows], data: out };
}
