import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { attributeToProto } from "./attribute.ts";
import { decodeModel } from "./decode.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { cutOutputs } from "./graph-editor.ts";
import { inferTypes } from "./infer-types.ts";
import { summarizeModel } from "./model-summary.ts";

test("a tensor inside a convolutional network gets the shape that its paper gives it", () => {
  const file = new URL(
    "../../../examples/modules/efficientnet-lite0/classification/model.onnx",
    import.meta.url,
  );
  const cut = cutOutputs(decodeModel(readFileSync(file)), ["feature_vector"]);
  // EfficientNet-Lite0 ends in 1,280 pooled channels.
  expect(summarizeModel(cut).outputs).toEqual([
    { name: "feature_vector", type: "float32", shape: ["batch", 1280] },
  ]);
});

test("values behind an operator without a rule stay open", () => {
  const builder = new GraphBuilder();
  builder.output("y", builder.relu(builder.neg(builder.input("x", "float32", ["batch", 2]))));
  const graph = builder.toModel().graph!;
  const [neg] = graph.node;
  const hidden = { ...graph, output: [], node: [{ ...neg!, opType: "Unheard" }, ...graph.node.slice(1)] };
  expect([...inferTypes(hidden).keys()]).toEqual(["x"]);
  expect(inferTypes({ ...graph, output: [] }).get("y")).toMatchObject({
    dtype: "float32",
    shape: ["batch", 2],
  });
});

test("the shape of some axes is known as those, and what an unknown attribute changes stays open", () => {
  const builder = new GraphBuilder({ opset: 20 });
  builder.output("y", builder.shape(builder.input("x", "float32", ["batch", 2, 3])));
  const graph = builder.toModel().graph!;
  const inferred = (name: string, value: number) =>
    inferTypes({
      ...graph,
      output: [],
      node: graph.node.map((node) => ({ ...node, attribute: [attributeToProto(name, "int", value)] })),
    }).get("y");
  expect(inferred("end", -1)).toEqual({ dtype: "int64", shape: [2], known: ["batch", 2] });
  expect(inferred("start", 2)).toEqual({ dtype: "int64", shape: [1], known: [3] });
  expect(inferred("unheard", 1)).toBeUndefined();
});

test("an attribute outside the table that changes nothing is passed over", () => {
  const builder = new GraphBuilder({ opset: 20 });
  const row = builder.constant({ dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
  builder.output(
    "y",
    builder.batchNormalization(builder.input("x", "float32", ["n", 2]), row, row, row, row),
  );
  const graph = builder.toModel().graph!;
  const inferred = (mode: number) =>
    inferTypes({
      ...graph,
      output: [],
      node: graph.node.map((node) => ({
        ...node,
        attribute: [attributeToProto("training_mode", "int", mode)],
      })),
    }).get("y");
  expect(inferred(0)).toMatchObject({ dtype: "float32", shape: ["n", 2] });
  expect(inferred(1)).toBeUndefined();
});
