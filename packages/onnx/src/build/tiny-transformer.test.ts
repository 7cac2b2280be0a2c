import { expect, test } from "vitest";
import { checkModel } from "../check-model.ts";
import { summarizeModel } from "../model-summary.ts";
import type { ModelProto } from "../schema.ts";
import { tensorFromProto } from "../tensor-proto.ts";
import { int64, numbers, runModel } from "../test-runtime.ts";
import { buildTransformer } from "./tiny-transformer.ts";

const SIZES = { vocabulary: 50, hidden: 8, layers: 2, heads: 2, intermediate: 16, positions: 12, seed: 7 };

type Rows = number[][];

/**
 * BERT's encoder in plain numbers, one text at a time and only its own tokens, written from the paper (Vaswani et
 * al. 2017, section 3; Devlin et al. 2018) and Hugging Face's layer order: no padding, no mask, no batch.
 */
function reference(model: ModelProto, ids: number[], types: number[]): Rows {
  const weights = new Map(
    model.graph?.initializer.map((proto) => [proto.name ?? "", tensorFromProto(proto)] as const),
  );
  const vector = (name: string): number[] => numbers(weights.get(name));
  const matrix = (name: string): Rows => {
    const flat = vector(name);
    const width = weights.get(name)?.shape[1] ?? 1;
    return Array.from({ length: flat.length / width }, (_, row) =>
      flat.slice(row * width, (row + 1) * width),
    );
  };
  const plus = (a: number[], b: number[]): number[] => a.map((value, i) => value + (b[i] ?? 0));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  const dense = (x: Rows, name: string): Rows => {
    // Stored as [in, out].
    const weight = matrix(`${name}.weight`);
    const columns = (weight[0] ?? []).map((_, column) => weight.map((row) => row[column] ?? 0));
    return x.map((row) =>
      plus(
        columns.map((column) => dot(row, column)),
        vector(`${name}.bias`),
      ),
    );
  };
  const normalize = (x: Rows, name: string): Rows => {
    const [scale, bias] = [vector(`${name}.weight`), vector(`${name}.bias`)];
    return x.map((row) => {
      const mean = row.reduce((a, b) => a + b, 0) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      return row.map(
        (value, i) => ((value - mean) / Math.sqrt(variance + 1e-12)) * (scale[i] ?? 0) + (bias[i] ?? 0),
      );
    });
  };
  // erf by its Taylor series, exact to 1e-12 for the small arguments here.
  const erf = (z: number): number => {
    let [term, sum] = [z, z];
    for (let n = 1; n < 40; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  };
  const [words, kinds, places] = ["word", "token_type", "position"].map((kind) =>
    matrix(`embeddings.${kind}_embeddings.weight`),
  ) as [Rows, Rows, Rows];
  let x = normalize(
    ids.map((id, at) => plus(plus(words[id] ?? [], kinds[types[at] ?? 0] ?? []), places[at] ?? [])),
    "embeddings.LayerNorm",
  );
  for (let layer = 0; layer < SIZES.layers; layer++) {
    const at = `encoder.layer.${layer}`;
    const [query, key, value] = ["query", "key", "value"].map((part) =>
      dense(x, `${at}.attention.self.${part}`),
    ) as [Rows, Rows, Rows];
    const size = SIZES.hidden / SIZES.heads;
    const mixed = query.map((row) =>
      Array.from({ length: SIZES.heads }, (_, head) => {
        const part = (other: number[]) => other.slice(head * size, (head + 1) * size);
        const scores = key.map((other) => Math.exp(dot(part(row), part(other)) / Math.sqrt(size)));
        const total = scores.reduce((a, b) => a + b, 0);
        return part(row).map((_, i) =>
          value.reduce(
            (sum, other, token) => sum + ((scores[token] ?? 0) / total) * (part(other)[i] ?? 0),
            0,
          ),
        );
      }).flat(),
    );
    const attended = dense(mixed, `${at}.attention.output.dense`);
    x = normalize(
      attended.map((row, i) => plus(row, x[i] ?? [])),
      `${at}.attention.output.LayerNorm`,
    );
    const wide = dense(x, `${at}.intermediate.dense`).map((row) =>
      row.map((z) => 0.5 * z * (1 + erf(z / Math.SQRT2))),
    );
    const narrow = dense(wide, `${at}.output.dense`);
    x = normalize(
      narrow.map((row, i) => plus(row, x[i] ?? [])),
      `${at}.output.LayerNorm`,
    );
  }
  return x;
}

test("an encoder computes what the papers say, and padding changes nothing", async () => {
  const model = buildTransformer(SIZES);
  const texts = [
    { ids: [3, 49, 7, 0, 12], types: [0, 0, 1, 1, 1] },
    { ids: [5, 6], types: [0, 1] },
  ];
  const pad = (values: number[]) => [...values, 0, 0, 0, 0, 0].slice(0, 5);
  const { last_hidden_state: hidden } = await runModel(model, {
    input_ids: int64(
      [2, 5],
      texts.flatMap((text) => pad(text.ids)),
    ),
    attention_mask: int64(
      [2, 5],
      texts.flatMap((text) => pad(text.ids.map(() => 1))),
    ),
    token_type_ids: int64(
      [2, 5],
      texts.flatMap((text) => pad(text.types)),
    ),
  });
  expect(hidden?.shape).toEqual([2, 5, 8]);
  const flat = numbers(hidden);
  texts.forEach(({ ids, types }, text) => {
    reference(model, ids, types)
      .flat()
      .forEach((value, at) => {
        expect(flat[text * 40 + at]).toBeCloseTo(value, 4);
      });
  });
});

test("the same seed gives the same weights, another seed others", () => {
  const first = (seed: number) => {
    const proto = buildTransformer({ ...SIZES, seed }).graph?.initializer.find(
      (tensor) => tensor.name === "embeddings.word_embeddings.weight",
    );
    return proto && numbers(tensorFromProto(proto)).slice(0, 3);
  };
  expect(first(1)).toEqual(first(1));
  expect(first(1)).not.toEqual(first(2));
});

test("weights of one's own are taken by Hugging Face's names, and a missing or misshapen one is named", () => {
  const one = { dtype: "float32" as const, shape: [50, 8], data: new Float32Array(400).fill(2) };
  const name = "embeddings.word_embeddings.weight";
  expect(() => buildTransformer({ ...SIZES, weights: new Map([[name, one]]) })).toThrow(
    /"embeddings\.\w+\.weight" is missing/,
  );
  const flat = { ...one, shape: [400] };
  expect(() => buildTransformer({ ...SIZES, weights: new Map([[name, flat]]) })).toThrow(
    /shape \[400\], not \[50,8\]/,
  );
  expect(() => buildTransformer({ ...SIZES, heads: 3 })).toThrow(/8 numbers don't divide into 3 heads/);
});

test("the graph passes the checks, and its signature has open sizes", () => {
  const model = buildTransformer(SIZES);
  expect(checkModel(model)).toEqual([]);
  const { inputs, outputs } = summarizeModel(model);
  const open = ["batch", "sequence"];
  expect(inputs).toEqual(
    ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({ name, type: "int64", shape: open })),
  );
  expect(outputs).toEqual([{ name: "last_hidden_state", type: "float32", shape: [...open, 8] }]);
});
