import { expect, test } from "vitest";
import { checkGraphFile } from "./check-model.ts";
import { makeMessage } from "./decode.ts";
import { modelBytes } from "./encode.ts";
import { findingSentence } from "./finding.ts";
import type { NodeProto } from "./schema.ts";
import { tensorValue } from "./value-type.ts";

const node = (opType: string, input: string[], output: string[]): NodeProto =>
  makeMessage("NodeProto", { opType, input, output });
const x = tensorValue("x", "float32", ["batch", 2]);
const y = tensorValue("y", "float32", ["batch", 2]);

function graphOf(nodes: NodeProto[], output = [y], input = [x]): Uint8Array {
  const opset = makeMessage("OperatorSetIdProto", { version: 20n });
  const graph = makeMessage("GraphProto", { input, output, node: nodes });
  return modelBytes(makeMessage("ModelProto", { irVersion: 9n, opsetImport: [opset], graph }));
}

test.each([
  [
    "a name that is assigned twice",
    graphOf([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])]),
    'model.onnx, node 1 (Neg): the name "y" is assigned twice; rename one of them.',
  ],
  [
    "an input that nothing makes",
    graphOf([node("Add", ["x", "nowhere"], ["y"])]),
    'model.onnx, node 0 (Add): the input "nowhere" is neither an input, an initializer nor made by a node.',
  ],
  [
    "an output that can't be fetched",
    graphOf([node("Cast", ["x"], ["z"])], [tensorValue("z", "int4", ["batch", 2])]),
    'model.onnx, output "z": an output of int4 can\'t be fetched; add a Cast in the graph.',
  ],
  ["no outputs", graphOf([node("Relu", ["x"], ["y"])], []), "model.onnx: the graph has no outputs."],
  [
    "a Git LFS pointer",
    new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
    "model.onnx: the first line is that of a Git LFS pointer.",
  ],
])("%s is told with its place first, in a sentence", (_name, bytes, sentence) => {
  const { findings } = checkGraphFile(bytes, { path: "model.onnx" });
  expect(findings.map((finding) => findingSentence(finding, "model.onnx"))).toEqual([sentence]);
});
