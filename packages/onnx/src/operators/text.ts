import {
  broadcast,
  given,
  type Inference,
  type Inferred,
  intAttribute,
  misfit,
  operator,
} from "./operator.ts";

/** The input, which must be of strings. */
function strings(inference: Inference, index = 0): Inferred {
  const input = given(inference, index);
  if (input.dtype !== "string") throw misfit(`The input is of ${input.dtype}; it must be string.`);
  return input;
}

/** The first keys or values attribute that is given says the dtype of that side. */
function side(inference: Inference, prefix: string): "string" | "int64" | "float32" | undefined {
  if (inference.attributes[`${prefix}_strings`]) return "string";
  if (inference.attributes[`${prefix}_int64s`]) return "int64";
  return inference.attributes[`${prefix}_floats`] ? "float32" : undefined;
}

export const TEXT = {
  StringSplit: operator({
    domain: "",
    since: 20,
    inputs: ["x"],
    outputs: 2,
    leastOutputs: 2,
    attributes: { delimiter: "string", maxsplit: "int" },
    infer: (inference) => {
      const { shape } = strings(inference);
      return [
        { dtype: "string", shape: [...shape, null] },
        { dtype: "int64", shape },
      ];
    },
  }),
  StringConcat: operator({
    domain: "",
    since: 20,
    inputs: ["x", "y"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [
      { dtype: "string", shape: broadcast(strings(inference).shape, strings(inference, 1).shape) },
    ],
  }),
  RegexFullMatch: operator({
    domain: "",
    since: 20,
    inputs: ["x"],
    outputs: 1,
    attributes: { pattern: "string!" },
    infer: (inference) => [{ dtype: "bool", shape: strings(inference).shape }],
  }),
  StringNormalizer: operator({
    domain: "",
    since: 10,
    inputs: ["x"],
    outputs: 1,
    attributes: {
      case_change_action: "string",
      is_case_sensitive: "int",
      locale: "string",
      stopwords: "strings",
    },
    infer: (inference) => {
      const { shape } = strings(inference);
      const [first] = shape;
      if (shape.length !== 1 && !(shape.length === 2 && (first === 1 || first === null)))
        throw misfit("StringNormalizer takes tensors of shape [n] or [1, n]; flatten its input.");
      return [{ dtype: "string", shape: inference.attributes.stopwords ? shape.map(() => null) : shape }];
    },
  }),
  Tokenizer: operator({
    domain: "com.microsoft",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: {
      mark: "int!",
      mincharnum: "int!",
      pad_value: "string!",
      tokenexp: "string",
      separators: "strings",
    },
    infer: (inference) => [{ dtype: "string", shape: [...strings(inference).shape, null] }],
  }),
  LabelEncoder: operator({
    domain: "ai.onnx.ml",
    since: 2,
    inputs: ["x"],
    outputs: 1,
    attributes: {
      keys_strings: "strings",
      keys_int64s: "ints",
      keys_floats: "floats",
      values_strings: "strings",
      values_int64s: "ints",
      values_floats: "floats",
      default_string: "string",
      default_int64: "int",
      default_float: "float",
    },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const [from, to] = [side(inference, "keys"), side(inference, "values")];
      if (!from || !to) throw misfit("LabelEncoder needs keys and values.");
      if (from !== dtype) throw misfit(`The keys are of ${from}, the input of ${dtype}.`);
      return [{ dtype: to, shape }];
    },
  }),
  MurmurHash3: operator({
    domain: "com.microsoft",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: { positive: "int", seed: "int" },
    infer: (inference) => {
      const positive = intAttribute(inference, "positive", 1) === 1;
      return [{ dtype: positive ? "uint32" : "int32", shape: given(inference, 0).shape }];
    },
  }),
} as const;
