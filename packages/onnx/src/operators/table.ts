import { ELEMENTWISE } from "./elementwise.ts";
import { NEURAL } from "./neural.ts";
import { QUANTIZATION } from "./quantization.ts";
import { REARRANGING } from "./rearranging.ts";
import { REDUCTIONS } from "./reductions.ts";
import { TEXT } from "./text.ts";

/**
 * Every operator that graphs are built of: its domain, inputs, attributes and shape rule. Source of all of it:
 * ONNX's operator documentation (docs/Operators.md) and ONNX Runtime's ContribOperators.md.
 */
export const OPERATORS = {
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...REARRANGING,
  ...NEURAL,
  ...QUANTIZATION,
  ...TEXT,
} as const;

export type OperatorName = keyof typeof OPERATORS;
