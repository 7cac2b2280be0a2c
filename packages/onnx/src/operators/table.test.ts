import type { Dtype, Tensor } from "@modulehub/core";
import { expect, test } from "vitest";
import { GraphBuilder } from "../graph-builder.ts";
import { float32, int64, numbers, runModel, type Tensors } from "../test-runtime.ts";
import type { Value } from "../value.ts";
import type { Dimension } from "../value-type.ts";

/**
 * The shape rules are judged by ONNX Runtime: each graph is built with named sizes, run with numbers for them, and
 * every output must have the dtype and the sizes that were inferred.
 */
const SIZES: Record<string, number> = { batch: 2, sequence: 3 };
const size = (dim: Dimension): number => (typeof dim === "number" ? dim : (SIZES[dim ?? ""] ?? 1));

type Built = Value | Value[];
type Case = [
  name: string,
  shapes: readonly (readonly Dimension[])[],
  build: (g: GraphBuilder, x: Value, y: Value) => Built,
  dtype?: Dtype,
];

const BSH: Dimension[] = ["batch", "sequence", 4];
const IMAGE: Dimension[] = ["batch", 3, 8, 9];
const SCORES: Dimension[] = ["batch", 5];
const weights = (g: GraphBuilder, shape: number[]): Value =>
  g.constant(
    float32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
    ),
  );
const bytes = (g: GraphBuilder, dtype: "uint8" | "int8", shape: number[]): Value => {
  const data = new Uint8Array(shape.reduce((a, b) => a * b, 1)).fill(3);
  return g.constant(
    dtype === "uint8" ? { dtype, shape, data } : { dtype, shape, data: new Int8Array(data.buffer) },
  );
};

const CASES: Case[] = [
  ...(
    [
      "abs",
      "neg",
      "exp",
      "sqrt",
      "reciprocal",
      "floor",
      "ceil",
      "erf",
      "tanh",
      "sigmoid",
      "softplus",
      "relu",
      "sign",
      "sin",
      "cos",
      "log",
      "identity",
      "gelu",
      "hardSwish",
      "hardSigmoid",
      "leakyRelu",
      "softmax",
      "logSoftmax",
      "isNaN",
    ] as const
  ).map((name): Case => [name, [BSH], (g, x) => g[name](x)]),
  ...(
    ["add", "sub", "mul", "div", "pow", "equal", "less", "greater", "lessOrEqual", "greaterOrEqual"] as const
  ).map((name): Case => [name, [BSH, ["sequence", 1]], (g, x, y) => g[name](x, y)]),
  ["mod", [SCORES], (g, x) => g.mod(x, g.scalar(7, "int64")), "int64"],
  ["min, max, sum", [BSH, [4]], (g, x, y) => [g.min([x, y]), g.max([x, y, y]), g.sum([x, y])]],
  [
    "and, or, xor, not",
    [BSH, [4]],
    (g, x, y) => {
      const [a, b] = [g.cast(x, { to: 9 }), g.cast(y, { to: 9 })];
      return [g.and(a, b), g.or(a, b), g.xor(a, b), g.not(a)];
    },
  ],
  ["where", [BSH, [4]], (g, x, y) => g.where(g.less(x, y), x, g.scalar(0))],
  ["clip", [BSH], (g, x) => g.clip(x, g.scalar(-1), g.scalar(1))],
  ["cast", [BSH], (g, x) => [g.cast(x, { to: 7 }), g.cast(x, { to: 10 }), g.cast(x, { to: 9 })]],
  [
    "reductions",
    [BSH],
    (g, x) => [
      g.reduceSum(x, g.ints([1]), { keepdims: 0 }),
      g.reduceMean(x, g.ints([-1])),
      g.reduceMax(x, g.ints([0, 2]), { keepdims: 0 }),
      g.reduceMin(x),
      g.reduceL2(x, g.ints([1, 2]), { keepdims: 1 }),
      g.reduceSum(x, null, { noop_with_empty_axes: 1 }),
    ],
  ],
  ["argMax, argMin", [BSH], (g, x) => [g.argMax(x, { axis: 1, keepdims: 0 }), g.argMin(x, { axis: -1 })]],
  ["cumSum", [BSH], (g, x) => g.cumSum(x, g.scalar(1, "int64"))],
  ["topK", [SCORES], (g, x) => g.nodes("TopK", [x, g.ints([3])], { axis: 1 }, 2)],
  ["shape, size", [BSH], (g, x) => [g.shape(x), g.size(x)]],
  [
    "shape of some axes",
    [BSH],
    (g, x) => [
      g.shape(x, { start: 1 }),
      g.shape(x, { start: 0, end: 1 }),
      g.shape(x, { start: -2, end: -1 }),
      g.shape(x, { start: -9, end: 9 }),
      g.shape(x, { start: 2, end: 1 }),
    ],
  ],
  ["nonZero", [BSH], (g, x) => g.nonZero(x)],
  [
    "scatterElements",
    [BSH, BSH],
    (g, x, y) => g.scatterElements(x, g.cast(g.mul(y, g.scalar(0)), { to: 7 }), y, { reduction: "add" }),
  ],
  [
    "reshape",
    [BSH],
    (g, x) => [
      g.reshape(x, g.ints([0, 0, 2, 2])),
      g.reshape(x, g.ints([-1, 4])),
      g.reshape(x, g.ints([0, -1])),
      g.reshape(x, g.concat([g.shape(x), g.ints([1])], { axis: 0 })),
    ],
  ],
  [
    "reshape by parts of a shape",
    [BSH],
    (g, x) => {
      const batch = g.slice(g.shape(x), g.ints([0]), g.ints([1]));
      return g.reshape(x, g.concat([batch, g.ints([-1])], { axis: 0 }));
    },
  ],
  ["transpose", [BSH], (g, x) => [g.transpose(x, { perm: [1, 0, 2] }), g.transpose(x)]],
  ["flatten", [IMAGE], (g, x) => [g.flatten(x), g.flatten(x, { axis: 2 }), g.flatten(x, { axis: 0 })]],
  [
    "concat",
    [BSH, BSH],
    (g, x, y) => [g.concat([x, y], { axis: -1 }), g.concat([x, y], { axis: 1 }), g.concat([x], { axis: 0 })],
  ],
  [
    "slice",
    [BSH],
    (g, x) => [
      g.slice(x, g.ints([1]), g.ints([-1]), g.ints([2])),
      g.slice(x, g.ints([3]), g.ints([-9]), g.ints([2]), g.ints([-2])),
      g.slice(x, g.ints([0]), g.ints([1]), g.ints([1])),
    ],
  ],
  [
    "split",
    [BSH],
    (g, x) => [
      ...g.nodes("Split", [x, g.ints([1, 3])], { axis: 2 }, 2),
      ...g.nodes("Split", [x], { axis: -1, num_outputs: 2 }, 2),
    ],
  ],
  [
    "gather",
    [BSH],
    (g, x) => [
      g.gather(x, g.scalar(0, "int64"), { axis: 1 }),
      g.gather(x, g.ints([0, 1, 0]), { axis: 2 }),
      g.gather(g.shape(x), g.scalar(1, "int64")),
    ],
  ],
  [
    "unsqueeze, squeeze",
    [BSH],
    (g, x) => {
      const wide = g.unsqueeze(x, g.ints([0, -1]));
      return [wide, g.squeeze(wide, g.ints([0])), g.squeeze(wide, g.ints([-1, 0]))];
    },
  ],
  ["expand", [["sequence", 1]], (g, x) => g.expand(x, g.ints([2, 1, 4]))],
  ["tile", [["batch", 2]], (g, x) => g.tile(x, g.ints([1, 3]))],
  [
    "constantOfShape",
    [BSH],
    (g, x) => [g.constantOfShape(g.shape(x)), g.constantOfShape(g.ints([2]), { value: int64([1], [7]) })],
  ],
  [
    "range",
    [BSH],
    (g, x) => {
      const one = g.scalar(1, "int64");
      return [
        g.range(g.scalar(0, "int64"), g.gather(g.shape(x), one), one),
        g.range(one, g.scalar(8, "int64"), g.scalar(3, "int64")),
      ];
    },
  ],
  [
    "matMul",
    [BSH],
    (g, x) => [
      g.matMul(x, weights(g, [4, 5])),
      g.matMul(x, weights(g, [4])),
      g.matMul(x, g.transpose(x, { perm: [0, 2, 1] })),
    ],
  ],
  [
    "gemm",
    [["batch", 4]],
    (g, x) => g.gemm(x, weights(g, [5, 4]), weights(g, [5]), { transB: 1, alpha: 0.5 }),
  ],
  ["layerNormalization", [BSH], (g, x) => g.layerNormalization(x, weights(g, [4]), weights(g, [4]))],
  [
    "batchNormalization",
    [IMAGE],
    (g, x) => {
      const row = g.constant(float32([3], [1, 2, 3]));
      return g.batchNormalization(x, row, row, row, row);
    },
  ],
  [
    "conv",
    [IMAGE],
    (g, x) => [
      g.conv(x, weights(g, [6, 3, 3, 3]), weights(g, [6]), { strides: [2, 2], pads: [1, 1, 1, 1] }),
      g.conv(x, weights(g, [3, 1, 3, 2]), null, { group: 3, dilations: [2, 1] }),
      g.conv(x, weights(g, [2, 3, 5, 5]), null, { auto_pad: "SAME_UPPER", strides: [2, 3] }),
    ],
  ],
  [
    "pools",
    [IMAGE],
    (g, x) => [
      g.maxPool(x, { kernel_shape: [3, 3], strides: [2, 2] }),
      g.maxPool(x, { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
      g.averagePool(x, { kernel_shape: [2, 3], pads: [0, 1, 0, 1] }),
      g.globalAveragePool(x),
      g.globalMaxPool(x),
    ],
  ],
  [
    "pad",
    [IMAGE],
    (g, x) => [g.pad(x, g.ints([0, 0, 1, 2, 0, 0, 3, 4])), g.pad(x, g.ints([1, 1]), null, g.ints([3]))],
  ],
  [
    "resize",
    [IMAGE],
    (g, x) => [
      g.resize(x, null, g.constant(float32([4], [1, 1, 2, 0.5])), null, { mode: "nearest" }),
      g.resize(x, null, null, g.ints([2, 3, 4, 4]), { mode: "linear" }),
      g.resize(x, null, null, g.ints([4, 6]), { mode: "nearest", axes: [3, -2] }),
      g.resize(x, null, g.constant(float32([1], [0.5])), null, { mode: "nearest", axes: [2] }),
      g.resize(x, null, null, g.ints([4, 6]), {
        mode: "nearest",
        axes: [2, 3],
        keep_aspect_ratio_policy: "not_larger",
      }),
    ],
  ],
  [
    "nonMaxSuppression",
    [
      [1, 6, 4],
      [1, 2, 6],
    ],
    (g, x, y) => g.nonMaxSuppression(x, y, g.ints([2])),
  ],
  [
    "quantization",
    [BSH],
    (g, x) => {
      const [codes, scale, zero] = g.nodes("DynamicQuantizeLinear", [x], {}, 3) as [Value, Value, Value];
      return [
        codes,
        scale,
        zero,
        g.dequantizeLinear(codes, scale, zero),
        g.quantizeLinear(x, g.scalar(0.5), bytes(g, "int8", [])),
        g.quantizeLinear(x, g.scalar(0.5)),
        g.matMulInteger(codes, bytes(g, "uint8", [4, 5]), zero),
      ];
    },
  ],
  [
    "dequantizeLinear by row",
    [["batch", 4]],
    (g) =>
      g.dequantizeLinear(bytes(g, "int8", [3, 4]), g.constant(float32([3], [1, 2, 3])), null, { axis: 0 }),
  ],
  [
    "convInteger",
    [[1, 3, 8, 9]],
    (g) => g.convInteger(bytes(g, "uint8", [1, 3, 8, 9]), bytes(g, "uint8", [2, 3, 3, 3])),
  ],
  [
    "text",
    [["batch"]],
    (g, x) => [
      ...g.nodes("StringSplit", [x], { delimiter: "," }, 2),
      g.stringConcat(x, g.text("!")),
      g.regexFullMatch(x, { pattern: "a.*" }),
      g.stringNormalizer(x, { case_change_action: "UPPER", locale: "C" }),
      g.labelEncoder(x, { keys_strings: ["a,b"], values_int64s: [4], default_int64: -1 }),
      g.labelEncoder(x, { keys_strings: ["a,b"], values_floats: [4.5] }),
      g.murmurHash3(x, { positive: 1 }),
      g.murmurHash3(x, { positive: 0 }),
      g.tokenizer(x, { mark: 0, mincharnum: 1, pad_value: "", tokenexp: "[a-z]+" }),
    ],
    "string",
  ],
];

function feed(dtype: Dtype, shape: readonly Dimension[]): Tensor {
  const sizes = shape.map(size);
  const count = sizes.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, (_, index) => ((index * 7) % 11) / 3 + 0.1);
  if (dtype === "string")
    return { dtype, shape: sizes, data: values.map((_, index) => (index % 2 ? "a,b" : "c")) };
  return dtype === "int64" ? int64(sizes, values.map(Math.floor)) : float32(sizes, values);
}

for (const [name, shapes, build, dtype = "float32"] of CASES)
  test(`${name} gives the shape that was inferred`, async () => {
    const g = new GraphBuilder({ opset: 20 });
    const inputs = shapes.map((shape, index) => g.input(`in${index}`, dtype, shape));
    const [x, y] = inputs;
    if (!x) throw new Error("a case has at least one input");
    const built = [build(g, x, y ?? x)].flat();
    built.forEach((value, index) => {
      g.output(`out${index}`, value);
    });
    const feeds: Tensors = Object.fromEntries(
      shapes.map((shape, index) => [`in${index}`, feed(dtype, shape)]),
    );
    const fetched = await runModel(g.toModel(), feeds);
    built.forEach((value, index) => {
      const real = fetched[`out${index}`];
      expect(real?.dtype).toBe(value.dtype);
      expect(real?.shape).toHaveLength(value.shape.length);
      const expected = value.shape.map((dim, axis) =>
        dim === null || /[*]/.test(`${dim}`) ? real?.shape[axis] : size(dim),
      );
      expect(real?.shape).toEqual(expected);
      if (value.known) expect(numbers(real)).toEqual(value.known.map(size));
    });
  });

test("named sizes pass through reshaping by a shape that the graph computes", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", BSH);
  const batch = g.unsqueeze(g.gather(g.shape(x), g.scalar(0, "int64")), g.ints([0]));
  expect(g.reshape(x, g.concat([batch, g.ints([-1, 2])], { axis: 0 })).shape).toEqual(["batch", null, 2]);
  expect(g.reshape(x, g.concat([g.shape(x), g.ints([1])], { axis: 0 })).shape).toEqual([
    "batch",
    "sequence",
    4,
    1,
  ]);
  expect(g.reshape(x, g.ints([0, 0, 2, -1])).shape).toEqual(["batch", "sequence", 2, 2]);
});

test("the codes that quantization gives are of the dtype that is asked for", async () => {
  const g = new GraphBuilder({ opset: 21 });
  const x = g.input("x", "float32", [2]);
  const codes = g.quantizeLinear(x, g.scalar(0.5), null, { output_dtype: 3 });
  // 3 is int8 in ONNX's TensorProto.DataType.
  expect(g.output("codes", codes).dtype).toBe("int8");
  const fetched = await runModel(g.toModel(), { x: float32([2], [-1, 2]) });
  expect([fetched.codes?.dtype, ...numbers(fetched.codes)]).toEqual(["int8", -2, 4]);
  expect(() => g.quantizeLinear(x, g.scalar(0.5), bytes(g, "uint8", []), { output_dtype: 3 })).toThrow(
    /zero point is of uint8/,
  );
});
