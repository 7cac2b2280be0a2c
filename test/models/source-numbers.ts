/**
 * What models of the test data answer to an example. The numbers are those of the SOURCE.md beside each model,
 * where onnxruntime-node 1.30.0 gave them, to as many digits as it states.
 */

export interface Expected {
  shape?: number[];
  /** The first elements. */
  data: (number | string | boolean)[];
}

export interface Case {
  file: string;
  inputs: Record<string, unknown>;
  outputs: Record<string, Expected>;
}

export const repeat = (value: number, count: number): number[] => new Array(count).fill(value);
const iris = { data: [0, 0, 0], shape: [3] };

export const CASES: Case[] = [
  // A ZipMap's output can't be served; the tensors beside it can.
  {
    file: "sklearn-models/logreg_iris.onnx",
    inputs: {
      float_input: [
        [5.1, 3.5],
        [4.9, 3.0],
        [6.2, 3.4],
      ],
    },
    outputs: { label: iris },
  },
  {
    file: "sklearn-models/randomforest.onnx",
    inputs: { float_input: [[5.8, 2.8, 5.1, 2.4]] },
    outputs: { output_label: { data: [2] } },
  },
  {
    file: "sklearn-models/sklearn_randomforest.onnx",
    inputs: { X: [[5.9, 3.0, 5.1, 1.8]] },
    outputs: { output_label: { data: [2] } },
  },
  {
    file: "sklearn-models/lightgbm.onnx",
    inputs: { input: [[5.8, 2.8]] },
    outputs: { label: { data: [1] } },
  },
  {
    file: "text-sentiment-string/model-zipmap.onnx",
    inputs: { text: ["an engaging , funny and heartfelt comedy", "zzzz qqqq"] },
    outputs: { label: { data: ["positive", "negative"] } },
  },
  // Plain tensors of every kind.
  {
    file: "sklearn-models/lgbm_classifier_tensor.onnx",
    inputs: { input: [repeat(1, 13)] },
    outputs: { output: { data: [1] }, probabilities: { shape: [1, 3], data: [0.15214, 0.56273, 0.28513] } },
  },
  {
    file: "sklearn-models/linear_classifier.onnx",
    inputs: { input: [repeat(1, 12)] },
    outputs: { label: { data: [3] }, probabilities: { shape: [1, 14], data: [] } },
  },
  {
    file: "sklearn-models/identity_string.onnx",
    inputs: {
      "input:0": [
        ["one", "two"],
        ["three", "üñí"],
      ],
    },
    outputs: { "output:0": { shape: [2, 2], data: ["one", "two", "three", "üñí"] } },
  },
  {
    file: "sklearn-models/vectorizer-locale-c.onnx",
    inputs: { string_input: ["this is the first document"] },
    outputs: { variable: { shape: [1, 9], data: [0, 1, 1, 1, 0, 0, 1, 0, 1] } },
  },
  {
    file: "sklearn-models/example_multitype.onnx",
    inputs: {
      InputA: [[[9]]],
      InputB: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    },
    outputs: {
      OutputA: { shape: [1, 2, 2], data: [-503, -494, -485, -476] },
      OutputB: { shape: [1, 1, 1], data: [11106] },
    },
  },
  {
    file: "sklearn-models/badnames.onnx",
    inputs: { first_input: [1, 2], "second/input:0": [3, 4], third_input: [5, 6] },
    outputs: {
      "path/to/output:0": { data: [4, 6] },
      "path/to/output:1": { data: [8, 10] },
      "path/to/output:2": { data: [12, 16] },
    },
  },
  {
    file: "sklearn-models/overridable_initializer.onnx",
    inputs: { Label: [[true]], F2: [["x"]] },
    outputs: { Label0: { data: [true] }, F20: { data: ["x"] }, F11: { data: [0] } },
  },
  {
    file: "sklearn-models/example_dynamic_axes.onnx",
    inputs: { input_vectors: [repeat(0.5, 10), repeat(0.5, 10)] },
    outputs: { output_scalars: { shape: [2], data: [5, 5] } },
  },
  {
    file: "sklearn-models/logical_and.onnx",
    inputs: {
      "input:0": [
        [true, false],
        [true, false],
      ],
      "input1:0": [
        [true, true],
        [false, false],
      ],
    },
    outputs: { "output:0": { shape: [2, 2], data: [true, false, false, false] } },
  },
  {
    file: "sklearn-models/abs_free_dimensions.onnx",
    inputs: { x: [[[-1, 2, -3, 4, -5]]] },
    outputs: { y: { shape: [1, 1, 5], data: [1, 2, 3, 4, 5] } },
  },
  {
    file: "text-sentiment-string/model.onnx",
    inputs: {
      text: [
        "A moving and beautiful film , one of the best of the year",
        "dull , boring and a complete waste of time",
        "an engaging , funny and heartfelt comedy",
        "",
        "zzzz qqqq",
      ],
    },
    outputs: {
      label: { data: ["positive", "negative", "positive", "negative", "negative"] },
      probabilities: {
        shape: [5, 2],
        data: [0.0319, 0.9681, 0.9825, 0.0175, 0.1091, 0.8909, 0.5509, 0.4491, 0.5509, 0.4491],
      },
    },
  },
  {
    file: "transformer-dummy-bert/model.onnx",
    inputs: { input_ids: [[1, 2, 3, 4]], attention_mask: [repeat(1, 4)], token_type_ids: [repeat(0, 4)] },
    outputs: { output_0: { shape: [1, 4, 16], data: [0.48048, 0.40019, 0.75459, 0.04212] } },
  },
];
