import {
  buildTextEmbedding,
  buildTransformer,
  decodeModel,
  EXTERNAL,
  lazyBytes,
  makeMessage,
  modelBytes,
} from "@modulehub/onnx";
import { type TestModule, testModule } from "./modules.ts";

const WORDS = "the a cat dog sat ran on under mat house and then it was very big small red blue quick".split(
  " ",
);

/** A tokenizer of whole words with [CLS] and [SEP], that pads with 3, which no other token is. */
export const TOKENIZER = {
  version: "1.0",
  truncation: null,
  padding: { strategy: "BatchLongest", direction: "Right", pad_id: 3, pad_type_id: 0, pad_token: "[PAD]" },
  added_tokens: ["[UNK]", "[CLS]", "[SEP]", "[PAD]"].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: { type: "Lowercase" },
  pre_tokenizer: { type: "Whitespace" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ],
    pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [1], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [2], tokens: ["[SEP]"] },
    },
  },
  decoder: null,
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(["[UNK]", "[CLS]", "[SEP]", "[PAD]", ...WORDS].map((word, id) => [word, id])),
  },
};

/** A sentence transformer of real architecture and no sense: 2 layers, 32 numbers. */
export const TRANSFORMER = modelBytes(
  buildTransformer({
    vocabulary: 4 + WORDS.length,
    hidden: 32,
    layers: 2,
    heads: 4,
    intermediate: 64,
    positions: 64,
    seed: 7,
  }),
);

/** Where `moveWeights` puts them, relative to the graph. */
const WEIGHTS = "weights/model.onnx_data";

/** A graph whose matrices lie in a file of their own, one behind the other. */
function moveWeights(graph: Uint8Array): { graph: Uint8Array; weights: Uint8Array } {
  const model = decodeModel(graph);
  const parts: Uint8Array[] = [];
  let offset = 0;
  const initializer = model.graph!.initializer.map((tensor) => {
    if (tensor.dims.length < 2 || tensor.rawData === undefined) return tensor;
    const { rawData, ...rest } = tensor;
    const bytes = lazyBytes(rawData);
    const entries = { location: WEIGHTS, offset: String(offset), length: String(bytes.length) };
    parts.push(bytes);
    offset += bytes.length;
    return makeMessage("TensorProto", {
      ...rest,
      dataLocation: EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) =>
        makeMessage("StringStringEntryProto", { key, value }),
      ),
    });
  });
  const moved = modelBytes({ ...model, graph: { ...model.graph!, initializer } });
  return { graph: moved, weights: Buffer.concat(parts) };
}

/** A graph as the files of a module, with its matrices in a file of their own where that is wanted. */
function filesOf(graph: Uint8Array, isBeside: boolean): [Uint8Array, Record<string, Uint8Array>] {
  if (!isBeside) return [graph, {}];
  const moved = moveWeights(graph);
  return [moved.graph, { [WEIGHTS]: moved.weights }];
}

/** The sentence transformer as a module: tokenize, run, pool, normalize. */
export function sentenceTransformer(
  tokenizer: unknown = TOKENIZER,
  { weightsBeside = false } = {},
): TestModule {
  const [graph, weights] = filesOf(TRANSFORMER, weightsBeside);
  return testModule(
    graph,
    {
      task: "text-embedding",
      signatures: {
        default: {
          inputs: { text: { dtype: "string", shape: ["batch"] } },
          outputs: { default: { dtype: "float32", shape: ["batch", 32] } },
          steps: [
            { tokenize: { from: "text", tokenizer: "tokenizer.json", maxLength: 40, as: "tokens" } },
            {
              run: {
                graph: "model.onnx",
                inputs: {
                  input_ids: "tokens.ids",
                  attention_mask: "tokens.mask",
                  token_type_ids: "tokens.types",
                },
                outputs: { last_hidden_state: "hidden" },
              },
            },
            { pool: { from: "hidden", mask: "tokens.mask", mode: "mean", as: "pooled" } },
            { normalize: { from: "pooled", as: "default" } },
          ],
        },
      },
      examples: [{ signature: "default", inputs: { text: ["the cat sat on the mat", "a big red dog ran"] } }],
    },
    { "tokenizer.json": Buffer.from(JSON.stringify(tokenizer)), ...weights },
  );
}

/** Word vectors that are easy to add up: cat [1, 0], dog [0, 2], sat [3, 3]. */
export function wordVectors({ weightsBeside = false } = {}): TestModule {
  const vectors = { words: ["cat", "dog", "sat"], vectors: Float32Array.of(1, 0, 0, 2, 3, 3), dimensions: 2 };
  const built = buildTextEmbedding(vectors, { hashedShare: 0, buckets: 1, storage: "float32" });
  const [graph, weights] = filesOf(modelBytes(built), weightsBeside);
  return testModule(
    graph,
    {
      task: "text-embedding",
      signatures: {
        default: {
          inputs: { text: { dtype: "string", shape: ["batch"] } },
          outputs: { default: { dtype: "float32", shape: ["batch", 2] } },
        },
      },
      examples: [{ signature: "default", inputs: { text: ["cat dog", "sat", "", "dog sat sat"] } }],
    },
    weights,
  );
}
