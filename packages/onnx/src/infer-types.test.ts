import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
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
