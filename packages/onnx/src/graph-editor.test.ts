import { expect, test } from "vitest";
import { checkModel } from "./check-model.ts";
import { makeMessage } from "./decode.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { cutOutputs, joinModels, renameValues } from "./graph-editor.ts";
import { summarizeModel } from "./model-summary.ts";
import type { ModelProto } from "./schema.ts";
import { tensorToProto } from "./tensor-proto.ts";
import { float32, numbers, runModel } from "./test-runtime.ts";
import { tensorValue } from "./value-type.ts";

/** y = (x · 3 + 1)², z = −(x · 3), over two inputs of which the second is z's alone. */
function chain(): ModelProto {
  const g = new GraphBuilder({ opset: 20 });
  const x = g.input("x", "float32", ["n"]);
  const other = g.input("other", "float32", ["n"]);
  const triple = g.mul(x, g.constant(float32([1], [3]), "three"));
  const sum = g.add(triple, g.constant(float32([1], [1]), "one"));
  g.output("y", g.mul(sum, sum));
  g.output("z", g.neg(g.mul(triple, other)));
  return g.toModel();
}
const inner = (model: ModelProto, index: number): string => model.graph?.node[index]?.output[0] ?? "";
const x = float32([2], [1, 2]);

test("a graph is ended at a tensor inside it, and what nothing needs is dropped", async () => {
  const model = chain();
  const cut = cutOutputs(model, [inner(model, 0)]);
  expect(summarizeModel(cut).operators).toEqual({ Mul: 1 });
  expect(cut.graph?.initializer.map((tensor) => tensor.name)).toEqual(["three"]);
  expect(cut.graph?.input.map((input) => input.name)).toEqual(["x"]);
  expect(numbers((await runModel(cut, { x }))[inner(model, 0)])).toEqual([3, 6]);
  expect(summarizeModel(model).nodes).toBe(5);
});

test("a tensor that the graph lacks can't become an output", () => {
  expect(() => cutOutputs(chain(), ["ghost"])).toThrow(/no tensor "ghost"/);
  expect(() => cutOutputs(chain(), [""])).toThrow(/no tensor/);
  expect(() => cutOutputs(chain(), [])).toThrow(/at least one/);
});

test("values are renamed wherever they are used, inside branches too", async () => {
  const branch = (name: string) =>
    makeMessage("GraphProto", {
      name,
      node: [
        makeMessage("NodeProto", {
          opType: name === "then" ? "Neg" : "Abs",
          input: ["x"],
          output: [`${name}_out`],
        }),
      ],
      output: [tensorValue(`${name}_out`, "float32", ["n"])],
    });
  const attribute = (["then", "else"] as const).map((name) =>
    makeMessage("AttributeProto", { name: `${name}_branch`, type: 5, g: branch(name) }),
  );
  const model = makeMessage("ModelProto", {
    irVersion: 9n,
    opsetImport: [makeMessage("OperatorSetIdProto", { domain: "", version: 20n })],
    graph: makeMessage("GraphProto", {
      name: "if",
      input: [tensorValue("x", "float32", ["n"])],
      initializer: [tensorToProto("yes", { dtype: "bool", shape: [], data: Uint8Array.of(1) })],
      node: [makeMessage("NodeProto", { opType: "If", input: ["yes"], output: ["y"], attribute })],
      output: [tensorValue("y", "float32", ["n"])],
    }),
  });
  const renamed = renameValues(
    model,
    new Map([
      ["x", "pixels"],
      ["y", "score"],
      ["yes", "flag"],
    ]),
  );
  expect(checkModel(renamed)).toEqual([]);
  expect(numbers((await runModel(renamed, { pixels: x })).score)).toEqual([-1, -2]);
  expect(() => renameValues(model, new Map([["x", "y"]]))).toThrow(/belongs to another tensor/);
  // Cutting keeps what only a branch reads.
  expect(cutOutputs(model, ["y"]).graph?.input.map((input) => input.name)).toEqual(["x"]);
});

test("one graph is put behind another, names that clash are told apart", async () => {
  const first = chain();
  const second = chain();
  const joined = joinModels(
    cutOutputs(first, ["y"]),
    renameValues(cutOutputs(second, ["y"]), new Map([["y", "deep"]])),
    {
      feeds: new Map([["x", "y"]]),
      keep: ["y"],
    },
  );
  expect(checkModel(joined)).toEqual([]);
  const fetched = await runModel(joined, { x });
  expect(Object.keys(fetched)).toEqual(["y", "deep"]);
  // y = (3+1)² = 16, (6+1)² = 49; then (48+1)² and (147+1)²
  expect(numbers(fetched.deep)).toEqual([2401, 21904]);
});

test("graphs of different opsets are not joined", () => {
  const old = new GraphBuilder({ opset: 17 });
  old.output("o", old.neg(old.input("i", "float32", [1])));
  expect(() => joinModels(chain(), old.toModel(), { feeds: new Map([["i", "y"]]) })).toThrow(
    /opsets 20 and 17/,
  );
});
