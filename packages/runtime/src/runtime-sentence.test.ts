import { expect, test } from "vitest";
import { operatorFault, runtimeSentence } from "./runtime-sentence.ts";

// Messages as onnxruntime-node 1.30 gives them for graphs of one node each.
const NODE = '("Relu_y", Relu, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) ';
const NO_OPERATOR =
  "Load model from model.onnx failed:This is an invalid model. In Node, " +
  `${NODE}, Error No Op registered for FlyToTheMoon with domain_version of 21`;

test.each([
  [NO_OPERATOR, "FlyToTheMoon in opset 21"],
  [
    "Load model from model.onnx failed:Fatal error: com.microsoft:Fly(-1) is not a registered function/op",
    "com.microsoft:Fly;",
  ],
  [
    "Load model from model.onnx failed:This is an invalid model. Type Error: Type 'tensor(bfloat16)' of input " +
      "parameter (b) of operator (Sin) in node (Sin_c) is invalid.",
    "Sin takes no tensor(bfloat16), which its input b is",
  ],
  ["Could not find an implementation for Pow(15) node with name 'p'", "the operator Pow "],
])("an operator that the runtime lacks is named: %s", (message, name) => {
  const sentence = operatorFault(message);
  expect(sentence).toContain(name);
  expect(sentence).toMatch(/^[A-Z].*\.$/);
});

test.each([
  [
    `Load model from model.onnx failed:This is an invalid model. In Node, ${NODE}, Error Unrecognized attribute: to for operator Relu`,
    'ONNX Runtime says: node "Relu_y": Unrecognized attribute: to for operator Relu.',
  ],
  [
    "Load model from model.onnx failed:Node (MatMul_y) Op (MatMul) [ShapeInferenceError] Incompatible dimensions",
    "ONNX Runtime says: Node (MatMul_y) Op (MatMul) [ShapeInferenceError] Incompatible dimensions.",
  ],
  ["Invalid rank for input: x.", "ONNX Runtime says: Invalid rank for input: x."],
])("other messages are one sentence without repetition", (message, sentence) => {
  expect(operatorFault(message)).toBeUndefined();
  expect(runtimeSentence(message)).toBe(sentence);
});
