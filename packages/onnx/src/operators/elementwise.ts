import { type Dtype, dtypeOfCode } from "@modulehub/core/dtype";
import {
  absGradient,
  addGradient,
  castGradient,
  clipGradient,
  cosGradient,
  divGradient,
  erfGradient,
  expGradient,
  extremeGradient,
  geluGradient,
  identityGradient,
  logGradient,
  mulGradient,
  negGradient,
  powGradient,
  reciprocalGradient,
  reluGradient,
  sigmoidGradient,
  sinGradient,
  softplusGradient,
  sqrtGradient,
  stepGradient,
  subGradient,
  sumGradient,
  tanhGradient,
  whereGradient,
} from "./gradients/elementwise.ts";
import type { GradientRule } from "./gradients/gradient.ts";
import {
  broadcast,
  given,
  type Inference,
  type Inferred,
  intAttribute,
  isNumeric,
  misfit,
  needFloat,
  operator,
  sameDtype,
} from "./operator.ts";

const same = (inference: Inference): Inferred[] => {
  const { dtype, shape } = given(inference, 0);
  return [{ dtype, shape }];
};

const floatUnary = (since: number, gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      needFloat(given(inference, 0));
      return same(inference);
    },
  });

const numericUnary = (since: number, gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const { dtype } = given(inference, 0);
      if (!isNumeric(dtype)) throw misfit(`The input is of ${dtype}; it must be a number.`);
      return same(inference);
    },
  });

const joined = (inference: Inference): Inferred["shape"] =>
  inference.inputs.reduce<Inferred["shape"]>(
    (shape, input) => (input ? broadcast(shape, input.shape) : shape),
    [],
  );

const arithmetic = (gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since: 7,
    inputs: ["a", "b"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const dtype = sameDtype(inference);
      if (!isNumeric(dtype)) throw misfit(`The inputs are of ${dtype}; they must be numbers.`);
      return [{ dtype, shape: joined(inference) }];
    },
  });

const comparison = (since: number) =>
  operator({
    domain: "",
    since,
    inputs: ["a", "b"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      sameDtype(inference);
      return [{ dtype: "bool", shape: joined(inference) }];
    },
  });

const logical = operator({
  domain: "",
  since: 7,
  inputs: ["a", "b"],
  outputs: 1,
  attributes: {},
  infer: (inference) => {
    if (sameDtype(inference) !== "bool") throw misfit("The inputs must be bool; compare or cast them.");
    return [{ dtype: "bool", shape: joined(inference) }];
  },
});

const variadic = (gradient: GradientRule) =>
  operator({
    gradient,
    domain: "",
    since: 8,
    inputs: ["values..."],
    outputs: 1,
    attributes: {},
    infer: (inference) => [{ dtype: sameDtype(inference), shape: joined(inference) }],
  });

/** The dtype that the attribute `to` names. */
function target(inference: Inference): Dtype {
  const dtype = dtypeOfCode(intAttribute(inference, "to", 0));
  if (!dtype) throw misfit("Cast needs `to`, the code of a dtype.");
  return dtype;
}

export const ELEMENTWISE = {
  Abs: numericUnary(6, absGradient),
  Neg: numericUnary(6, negGradient),
  Exp: floatUnary(6, expGradient),
  Log: floatUnary(6, logGradient),
  Sqrt: floatUnary(6, sqrtGradient),
  Reciprocal: floatUnary(6, reciprocalGradient),
  Floor: floatUnary(6, stepGradient),
  Ceil: floatUnary(6, stepGradient),
  Erf: numericUnary(9, erfGradient),
  Softplus: floatUnary(1, softplusGradient),
  Tanh: floatUnary(6, tanhGradient),
  Sigmoid: floatUnary(6, sigmoidGradient),
  Relu: numericUnary(6, reluGradient),
  Sign: numericUnary(9, stepGradient),
  Sin: floatUnary(7, sinGradient),
  Cos: floatUnary(7, cosGradient),
  Identity: operator({
    gradient: identityGradient,
    domain: "",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (i) => [given(i, 0)],
  }),
  Gelu: operator({
    gradient: geluGradient,
    domain: "",
    since: 20,
    inputs: ["x"],
    outputs: 1,
    attributes: { approximate: "string" },
    infer: (inference) => {
      needFloat(given(inference, 0));
      return same(inference);
    },
  }),
  Add: arithmetic(addGradient),
  Sub: arithmetic(subGradient),
  Mul: arithmetic(mulGradient),
  Div: arithmetic(divGradient),
  Pow: operator({
    gradient: powGradient,
    domain: "",
    since: 12,
    inputs: ["x", "exponent"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [{ dtype: given(inference, 0).dtype, shape: joined(inference) }],
  }),
  Mod: operator({
    domain: "",
    since: 10,
    inputs: ["a", "b"],
    outputs: 1,
    attributes: { fmod: "int" },
    infer: (inference) => [{ dtype: sameDtype(inference), shape: joined(inference) }],
  }),
  Min: variadic(extremeGradient),
  Max: variadic(extremeGradient),
  Sum: variadic(sumGradient),
  Equal: comparison(11),
  Less: comparison(9),
  Greater: comparison(9),
  LessOrEqual: comparison(12),
  GreaterOrEqual: comparison(12),
  And: logical,
  Or: logical,
  Xor: logical,
  Not: operator({
    domain: "",
    since: 1,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      if (given(inference, 0).dtype !== "bool") throw misfit("Not takes bool; compare or cast its input.");
      return same(inference);
    },
  }),
  IsNaN: operator({
    domain: "",
    since: 9,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [{ dtype: "bool", shape: given(inference, 0).shape }],
  }),
  Where: operator({
    gradient: whereGradient,
    domain: "",
    since: 9,
    inputs: ["condition", "yes", "no"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const [condition, yes, no] = [given(inference, 0), given(inference, 1), given(inference, 2)];
      if (condition.dtype !== "bool") throw misfit("The condition of Where must be bool.");
      if (yes.dtype !== no.dtype)
        throw misfit(`The branches are of ${yes.dtype} and ${no.dtype}; cast one of them.`);
      return [{ dtype: yes.dtype, shape: joined(inference) }];
    },
  }),
  Clip: operator({
    gradient: clipGradient,
    domain: "",
    since: 6,
    inputs: ["x", "min?", "max?"],
    outputs: 1,
    attributes: { min: "float", max: "float" },
    inputSince: { min: 11, max: 11 },
    infer: (inference) => {
      sameDtype(inference);
      return same(inference);
    },
  }),
  Cast: operator({
    gradient: castGradient,
    domain: "",
    since: 9,
    inputs: ["x"],
    outputs: 1,
    /** `saturate` came with opset 19. */
    attributes: { to: "int!", saturate: "int" },
    infer: (inference) => {
      const { shape, known } = given(inference, 0);
      const dtype = target(inference);
      return [{ dtype, shape, ...(known && (dtype === "int64" || dtype === "int32") && { known }) }];
    },
  }),
} as const;
