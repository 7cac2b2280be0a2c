import type { ProblemCode } from "@modulehub/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type CheckOptions, checkGraphFile, checkModel } from "./check-model.ts";
import { makeMessage } from "./decode.ts";
import { modelBytes } from "./encode.ts";
import { firstRefusal } from "./finding.ts";
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
} from "./schema.ts";
import { tensorToProto } from "./tensor-proto.ts";
import { PYTHON_MODEL } from "./test-python-model.ts";
import { tensorValue } from "./value-type.ts";

const node = (opType: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto =>
  makeMessage("NodeProto", { opType, input, output, ...more });
const x = tensorValue("x", "float32", ["batch", 2]);
const y = tensorValue("y", "float32", ["batch", 2]);

/** A model that is right but for what is given. */
function modelOf(graph: Partial<GraphProto>, model: Partial<ModelProto> = {}): ModelProto {
  return makeMessage("ModelProto", {
    irVersion: 9n,
    opsetImport: [makeMessage("OperatorSetIdProto", { version: 20n })],
    graph: makeMessage("GraphProto", {
      input: [x],
      output: [y],
      node: [node("Relu", ["x"], ["y"])],
      ...graph,
    }),
    ...model,
  });
}
const weight = (more: Partial<TensorProto>): Partial<GraphProto> => ({
  initializer: [makeMessage("TensorProto", { name: "w", dims: [2n], dataType: 1, ...more })],
  node: [node("Add", ["x", "w"], ["y"])],
});
const eight = new Uint8Array(8);
const external = (entries: Record<string, string>, more: Partial<TensorProto> = {}): Partial<GraphProto> =>
  weight({
    dataLocation: 1,
    externalData: Object.entries(entries).map(([key, value]) =>
      makeMessage("StringStringEntryProto", { key, value }),
    ),
    ...more,
  });
const files = new Map([
  ["onnx/w.data", 16],
  ["w.data", 4],
]);
const beside: CheckOptions = { files, path: "onnx/model.onnx" };
const body = (name: string, nodes: NodeProto[], more: Partial<FunctionProto> = {}): FunctionProto =>
  makeMessage("FunctionProto", { domain: "local", name, input: ["a"], output: ["b"], node: nodes, ...more });
const call = (name: string, input: string, output: string): NodeProto =>
  node(name, [input], [output], { domain: "local" });

test("a sound model has no findings", () => {
  expect(checkModel(modelOf({}))).toEqual([]);
  expect(checkModel(modelOf(weight({ rawData: eight })))).toEqual([]);
  expect(checkModel(modelOf(weight({ floatData: [eight] })))).toEqual([]);
  expect(checkModel(modelOf(external({ location: "w.data", offset: "8", length: "8" })), beside)).toEqual([]);
  expect(checkModel(modelOf(external({ location: "./w.data" })), beside)).toEqual([]);
});

const FAULTS: [what: string, model: ModelProto, code: ProblemCode, sentence: RegExp][] = [
  ["no outputs", modelOf({ output: [] }), "graph-invalid", /no outputs/],
  ["an output twice", modelOf({ output: [y, y] }), "graph-invalid", /listed twice/],
  [
    "an output that nothing makes",
    modelOf({ output: [tensorValue("q", "float32", [])] }),
    "graph-invalid",
    /makes the output "q"/,
  ],
  [
    "a name assigned twice",
    modelOf({ node: [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])] }),
    "graph-invalid",
    /assigned twice/,
  ],
  [
    "two initializers of one name",
    modelOf({
      initializer: [0, 1].map(() =>
        tensorToProto("w", { dtype: "float32", shape: [], data: new Float32Array(1) }),
      ),
    }),
    "graph-invalid",
    /Two initializers/,
  ],
  [
    "an input that nothing makes",
    modelOf({ node: [node("Add", ["x", "ghost"], ["y"])] }),
    "graph-invalid",
    /"ghost" is neither/,
  ],
  [
    "a cycle",
    modelOf({
      node: [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])],
    }),
    "graph-invalid",
    /cyclic: "b" needs "a" needs "b"/,
  ],
  [
    "two nodes of one name",
    modelOf({ node: [node("Relu", ["x"], ["a"], { name: "n" }), node("Abs", ["a"], ["y"], { name: "n" })] }),
    "graph-invalid",
    /Two nodes are named "n"/,
  ],
  [
    "nodes out of order",
    modelOf({ node: [node("Relu", ["a"], ["y"]), node("Neg", ["x"], ["a"])] }),
    "graph-invalid",
    /not sorted/,
  ],
  [
    "a node that needs itself",
    modelOf({ node: [node("Add", ["x", "y"], ["y"])] }),
    "graph-invalid",
    /cyclic/,
  ],
  ["a node without an operator", modelOf({ node: [node("", ["x"], ["y"])] }), "graph-invalid", /no operator/],
  [
    "raw and typed data",
    modelOf(weight({ rawData: eight, floatData: [eight] })),
    "graph-invalid",
    /raw data and floatData/,
  ],
  [
    "too little data",
    modelOf(weight({ rawData: new Uint8Array(7) })),
    "graph-invalid",
    /7 bytes of data; its shape needs 8/,
  ],
  [
    "too little typed data",
    modelOf(weight({ floatData: [new Uint8Array(4)] })),
    "graph-invalid",
    /does not fit its shape/,
  ],
  [
    "data of another type's field",
    modelOf(weight({ int64Data: [eight] })),
    "graph-invalid",
    /can't have int64Data/,
  ],
  ["a negative size", modelOf(weight({ dims: [-2n], rawData: eight })), "graph-invalid", /impossible shape/],
  [
    "sizes that overflow",
    modelOf(weight({ dims: [2n ** 40n, 2n ** 40n], rawData: eight })),
    "graph-invalid",
    /impossible shape/,
  ],
  [
    "an unknown element type",
    modelOf(weight({ dataType: 99, rawData: eight })),
    "dtype-unsupported",
    /element type 99/,
  ],
  [
    "an int4 input",
    modelOf({ input: [tensorValue("x", "int4", [2])] }),
    "dtype-unsupported",
    /input of int4/,
  ],
  [
    "an int4 output, which aborts the process",
    modelOf({ output: [tensorValue("y", "int4", [2])] }),
    "dtype-unsupported",
    /output of int4/,
  ],
  [
    "a sequence input",
    modelOf({
      input: [
        makeMessage("ValueInfoProto", {
          name: "x",
          type: makeMessage("TypeProto", { sequenceType: makeMessage("TypeProtoSequence", {}) }),
        }),
      ],
    }),
    "dtype-unsupported",
    /can't be fed/,
  ],
  [
    "a custom operator",
    modelOf({ node: [node("PyOp", ["x"], ["y"], { domain: "ai.onnx.contrib" })] }),
    "operator-unsupported",
    /ai\.onnx\.contrib::PyOp/,
  ],
  [
    "an operator that reads files of its own",
    modelOf({ node: [node("EPContext", ["x"], ["y"], { domain: "com.microsoft" })] }),
    "operator-unsupported",
    /EPContext/,
  ],
  ["no IR version", modelOf({}, { irVersion: undefined }), "graph-invalid", /IR version/],
  ["an IR version of the future", modelOf({}, { irVersion: 99n }), "graph-invalid", /IR version 99/],
  ["no opset", modelOf({}, { opsetImport: [] }), "graph-invalid", /opset/],
  [
    "a function that calls itself",
    modelOf({ node: [call("f", "x", "y")] }, { functions: [body("f", [call("f", "a", "b")])] }),
    "graph-invalid",
    /calls itself/,
  ],
  [
    "two functions of one name",
    modelOf({}, { functions: [0, 1].map(() => body("f", [node("Relu", ["a"], ["b"])])) }),
    "graph-invalid",
    /Two functions/,
  ],
];

for (const [what, model, code, sentence] of FAULTS)
  test(`${what}: ${code}`, () => {
    const refused = checkModel(model).filter((finding) => finding.level === "refuse");
    expect(refused.map((finding) => finding.code)).toContain(code);
    expect(refused.find((finding) => finding.code === code)?.detail).toMatch(sentence);
    expect(firstRefusal(refused)?.status).toBe(422);
  });

const ELSEWHERE: [string, GraphProtoPart, ProblemCode][] = [
  ["an absolute path", external({ location: "/etc/passwd" }), "external-data-invalid"],
  ["a path that leaves the module", external({ location: "../onnx/w.data" }), "external-data-invalid"],
  ["a path that leaves and comes back", external({ location: "a/../w.data" }), "external-data-invalid"],
  ["a backslash", external({ location: "..\\w.data" }), "external-data-invalid"],
  ["a drive letter", external({ location: "C:w.data" }), "external-data-invalid"],
  [
    "an address in memory",
    external({ location: "*/_ORT_MEM_ADDR_/*", offset: "140737488355328" }),
    "external-data-invalid",
  ],
  ["no location", external({}), "external-data-invalid"],
  [
    "a file that is not listed, as links are not",
    external({ location: "link.data" }),
    "external-data-missing",
  ],
  ["an offset beyond the file", external({ location: "w.data", offset: "16" }), "external-data-invalid"],
  ["a negative offset", external({ location: "w.data", offset: "-8" }), "external-data-invalid"],
  ["an offset that is no number", external({ location: "w.data", offset: "0x10" }), "external-data-invalid"],
  ["a length other than the shape's", external({ location: "w.data", length: "4" }), "external-data-invalid"],
  ["an unknown key", external({ location: "w.data", command: "ls" }), "external-data-invalid"],
  ["data in the file as well", external({ location: "w.data" }, { rawData: eight }), "graph-invalid"],
  ["external strings", external({ location: "w.data" }, { dataType: 8 }), "external-data-invalid"],
];
type GraphProtoPart = Partial<GraphProto>;

for (const [what, graph, code] of ELSEWHERE)
  test(`external data with ${what}: ${code}`, () => {
    const findings = checkModel(modelOf(graph), beside);
    expect(findings.map((finding) => [finding.level, finding.code])).toEqual([["refuse", code]]);
  });

test("external data is looked for beside the graph", () => {
  const model = modelOf(external({ location: "w.data" }));
  expect(checkModel(model, { files, path: "model.onnx" }).map((finding) => finding.code)).toEqual([
    "external-data-invalid",
  ]);
  expect(checkModel(model).map((finding) => finding.code)).toEqual(["external-data-missing"]);
});

test("a graph inside a graph sees the values around it, and its tensors are checked too", () => {
  const inner = (input: string, initializer: TensorProto[] = []) =>
    makeMessage("GraphProto", {
      node: [node("Relu", [input], ["r"])],
      output: [tensorValue("r", "float32", [])],
      initializer,
    });
  const branch = (graph: GraphProto) =>
    modelOf({
      node: [
        node("If", ["x"], ["y"], {
          attribute: [makeMessage("AttributeProto", { name: "then_branch", type: 5, g: graph })],
        }),
      ],
    });
  expect(checkModel(branch(inner("x")))).toEqual([]);
  expect(checkModel(branch(inner("later"))).map((finding) => finding.code)).toEqual(["graph-invalid"]);
  const bad = makeMessage("TensorProto", { name: "w", dims: [2n], dataType: 1, rawData: new Uint8Array(3) });
  expect(checkModel(branch(inner("x", [bad]))).map((finding) => finding.code)).toEqual(["graph-invalid"]);
});

test("functions of the model may be called, but must not multiply", () => {
  const imports = [makeMessage("OperatorSetIdProto", { version: 20n })];
  const f = body("f0", [node("Relu", ["a"], ["b"])], { opsetImport: imports });
  expect(checkModel(modelOf({ node: [call("f0", "x", "y")] }, { functions: [f] }))).toEqual([]);
  const tower = Array.from({ length: 25 }, (_, level) =>
    body(`f${level + 1}`, [call(`f${level}`, "a", "m"), call(`f${level}`, "m", "b")]),
  );
  const many = modelOf({ node: [call("f25", "x", "y")] }, { functions: [f, ...tower] });
  expect(checkModel(many).map((finding) => finding.code)).toEqual(["graph-too-complex"]);
});

test("outputs that are no tensors are noted while tensors remain, and refused when none does", () => {
  const sequence = makeMessage("ValueInfoProto", {
    name: "s",
    type: makeMessage("TypeProto", { sequenceType: makeMessage("TypeProtoSequence", {}) }),
  });
  const nodes = [node("Relu", ["x"], ["y"]), node("SequenceConstruct", ["y"], ["s"])];
  const both = checkModel(modelOf({ node: nodes, output: [y, sequence] }));
  expect(both.map((finding) => [finding.level, finding.where])).toEqual([["note", 'output "s"']]);
  expect(firstRefusal(both)).toBeUndefined();
  const alone = checkModel(modelOf({ node: nodes, output: [sequence] }));
  expect(firstRefusal(alone)?.code).toBe("dtype-unsupported");
});

test("however many outputs are noted, what comes after is checked", () => {
  const sequences = Array.from({ length: 60 }, (_, index) =>
    makeMessage("ValueInfoProto", {
      name: `s${index}`,
      type: makeMessage("TypeProto", { sequenceType: makeMessage("TypeProtoSequence", {}) }),
    }),
  );
  const graph = external({ location: "../../secret" });
  const model = modelOf({
    ...graph,
    node: [...graph.node!, ...sequences.map(({ name }) => node("SequenceConstruct", ["y"], [name!]))],
    output: [y, ...sequences],
  });
  const findings = checkModel(model, beside);
  expect(firstRefusal(findings)?.code).toBe("external-data-invalid");
  expect(findings.filter(({ level }) => level === "note")).toHaveLength(50);
  expect(firstRefusal(checkModel({ ...model, graph: { ...model.graph!, output: sequences } }))?.code).toBe(
    "dtype-unsupported",
  );
});

test("what a function's attributes are by default is checked as its nodes are", () => {
  const imports = [makeMessage("OperatorSetIdProto", { version: 20n })];
  const t = external({ location: "../../secret" }).initializer![0]!;
  const g = makeMessage("GraphProto", {
    node: [node("EPContext", [], ["c"], { domain: "com.microsoft" })],
    output: [tensorValue("c", "float32", [])],
  });
  const findingsWith = (attribute: Partial<AttributeProto>) => {
    const attributeProto = [makeMessage("AttributeProto", { name: "d", ...attribute })];
    const nodes = [node("Relu", ["a"], ["b"])];
    const f = body("f0", nodes, { opsetImport: imports, attributeProto });
    return checkModel(modelOf({ node: [call("f0", "x", "y")] }, { functions: [f] }), beside);
  };
  expect(firstRefusal(findingsWith({ type: 4, t }))?.code).toBe("external-data-invalid");
  expect(firstRefusal(findingsWith({ type: 5, g }))?.code).toBe("operator-unsupported");
});

test("a shape of a million axes is refused in a sentence", () => {
  const dims = [-1n, ...Array.from({ length: 1_000_000 }, () => 1n)];
  const [finding] = checkModel(modelOf(weight({ dims, rawData: eight })));
  expect(finding).toMatchObject({ level: "refuse", code: "graph-invalid" });
  expect(finding!.detail).toContain("1000001 axes");
});

test("a file that can't be read is a finding, not an error", () => {
  expect(checkGraphFile(new Uint8Array(0)).findings.map((finding) => finding.code)).toEqual(["file-empty"]);
  const { summary, findings } = checkGraphFile(modelBytes(modelOf({})));
  expect([summary?.nodes, findings]).toEqual([1, []]);
  // Its output q is made by nothing, its second input list is of the checker's own making.
  expect(checkGraphFile(PYTHON_MODEL).findings.map((finding) => finding.code)).toContain("graph-invalid");
});

test("a hostile model with thousands of faults gives a list that can be read", () => {
  const many = Array.from({ length: 5000 }, (_, index) =>
    node("Add", ["x", `${"ghost".repeat(100)}${index}`], [`o${index}`]),
  );
  const findings = checkModel(modelOf({ node: [...many, node("Relu", ["x"], ["y"])] }));
  expect(findings.length).toBeLessThanOrEqual(50);
  expect(Math.max(...findings.map((finding) => finding.detail.length))).toBeLessThan(300);
});

test("a model with bytes changed at random is read and checked, or refused, and never breaks the checks", () => {
  const flips = fc.array(fc.tuple(fc.nat(PYTHON_MODEL.length - 1), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(flips, (changes) => {
      const bytes = Uint8Array.from(PYTHON_MODEL);
      for (const [at, value] of changes) bytes[at] = value;
      const { findings } = checkGraphFile(bytes);
      expect(findings.every((finding) => finding.detail.length < 400)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
