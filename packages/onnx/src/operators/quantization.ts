import { dtypeOfCode } from "@modulehub/core/dtype";
import { matmulShape } from "./neural.ts";
import { given, type Inferred, intAttribute, misfit, operator } from "./operator.ts";

export const QUANTIZATION = {
  QuantizeLinear: operator({
    domain: "",
    since: 10,
    inputs: ["x", "scale", "zero?"],
    outputs: 1,
    /** `saturate` came with opset 19, `block_size` and `output_dtype` with 21. */
    attributes: { axis: "int", saturate: "int", block_size: "int", output_dtype: "int" },
    infer: (inference) => {
      const zero = inference.inputs[2];
      const code = intAttribute(inference, "output_dtype", 0);
      const asked = code === 0 ? (zero?.dtype ?? "uint8") : dtypeOfCode(code);
      if (!asked) throw misfit(`There is no dtype of the code ${code}.`);
      if (zero && zero.dtype !== asked)
        throw misfit(`The zero point is of ${zero.dtype}, the output of ${asked}.`);
      return [{ dtype: asked, shape: given(inference, 0).shape }];
    },
  }),
  DequantizeLinear: operator({
    domain: "",
    since: 10,
    inputs: ["x", "scale", "zero?"],
    outputs: 1,
    attributes: { axis: "int", block_size: "int" },
    infer: (inference) => {
      const [x, scale, zero] = [given(inference, 0), given(inference, 1), inference.inputs[2]];
      if (zero && zero.dtype !== x.dtype)
        throw misfit(`The zero point is of ${zero.dtype}, the input of ${x.dtype}.`);
      const axis = intAttribute(inference, "axis", 1);
      const size = x.shape.at(axis);
      const [scales] = scale.shape;
      if (
        scale.shape.length === 1 &&
        typeof size === "number" &&
        typeof scales === "number" &&
        scales !== 1 &&
        scales !== size
      )
        throw misfit(`There are ${scales} scales for an axis of ${size}.`);
      return [{ dtype: scale.dtype, shape: x.shape }];
    },
  }),
  DynamicQuantizeLinear: operator({
    domain: "",
    since: 11,
    inputs: ["x"],
    outputs: 3,
    leastOutputs: 3,
    attributes: {},
    infer: (inference): Inferred[] => [
      { dtype: "uint8", shape: given(inference, 0).shape },
      { dtype: "float32", shape: [] },
      { dtype: "uint8", shape: [] },
    ],
  }),
  MatMulInteger: operator({
    domain: "",
    since: 10,
    inputs: ["a", "b", "aZero?", "bZero?"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [
      { dtype: "int32", shape: matmulShape(given(inference, 0).shape, given(inference, 1).shape) },
    ],
  }),
} as const;
