import { GraphBuilder, makeMessage, modelBytes, tensorToProto, tensorValue } from "@modulehub/onnx";

/** Small graphs for tests, good and hostile ones. */

/** y = 2·x + 1, float32 [batch, 3]. */
export function affine(): Uint8Array {
  const g = new GraphBuilder({ name: "affine" });
  g.output("y", g.add(g.mul(g.input("x", "float32", ["batch", 3]), g.scalar(2)), g.scalar(1)));
  return g.toBytes();
}

/** Repeats its input, int64 [1], as often as it says: never ends for what matters. y = x, int64 [1]. */
export function endless(): Uint8Array {
  const node = (opType: string, input: string[], output: string[], attribute: object[] = []) =>
    makeMessage("NodeProto", { opType, input, output, attribute: attribute as never });
  const body = makeMessage("GraphProto", {
    name: "body",
    node: [node("Identity", ["go"], ["go_on"]), node("Add", ["v", "v"], ["w"])],
    input: [tensorValue("i", "int64", []), tensorValue("go", "bool", []), tensorValue("v", "int64", [1])],
    output: [tensorValue("go_on", "bool", []), tensorValue("w", "int64", [1])],
  });
  return modelBytes(
    makeMessage("ModelProto", {
      irVersion: 10n,
      opsetImport: [makeMessage("OperatorSetIdProto", { domain: "", version: 21n })],
      graph: makeMessage("GraphProto", {
        name: "endless",
        node: [
          node("Squeeze", ["x"], ["times"]),
          node(
            "Loop",
            ["times", "yes", "x"],
            ["y"],
            [makeMessage("AttributeProto", { name: "body", type: 5, g: body })],
          ),
        ],
        initializer: [tensorToProto("yes", { dtype: "bool", shape: [], data: Uint8Array.of(1) })],
        input: [tensorValue("x", "int64", [1])],
        output: [tensorValue("y", "int64", [1])],
      }),
    }),
  );
}

/** y = x, int64 [batch, 1], after as many rounds as the largest of its rows says: one row keeps all of a batch. */
export function endlessBatch(): Uint8Array {
  const node = (opType: string, input: string[], output: string[], attribute: object[] = []) =>
    makeMessage("NodeProto", { opType, input, output, attribute: attribute as never });
  const rows = ["batch", 1];
  const body = makeMessage("GraphProto", {
    name: "body",
    node: [node("Identity", ["go"], ["go_on"]), node("Identity", ["v"], ["w"])],
    input: [tensorValue("i", "int64", []), tensorValue("go", "bool", []), tensorValue("v", "int64", rows)],
    output: [tensorValue("go_on", "bool", []), tensorValue("w", "int64", rows)],
  });
  const keepdims = makeMessage("AttributeProto", { name: "keepdims", type: 2, i: 0n });
  const loop = makeMessage("AttributeProto", { name: "body", type: 5, g: body });
  return modelBytes(
    makeMessage("ModelProto", {
      irVersion: 10n,
      opsetImport: [makeMessage("OperatorSetIdProto", { domain: "", version: 21n })],
      graph: makeMessage("GraphProto", {
        name: "endless-batch",
        node: [
          node("ReduceMax", ["x"], ["times"], [keepdims]),
          node("Loop", ["times", "yes", "x"], ["y"], [loop]),
        ],
        initializer: [tensorToProto("yes", { dtype: "bool", shape: [], data: Uint8Array.of(1) })],
        input: [tensorValue("x", "int64", rows)],
        output: [tensorValue("y", "int64", rows)],
      }),
    }),
  );
}

/** Takes as much memory as it is told: float32 [n], from int64 [1]. */
export function allocating(): Uint8Array {
  const g = new GraphBuilder({ name: "allocating" });
  const size = g.input("x", "int64", [1]);
  const large = g.expand(g.constant({ dtype: "float32", shape: [1], data: Float32Array.of(1.5) }), size);
  g.output("y", g.reduceSum(g.exp(large), g.ints([0]), { keepdims: 1 }));
  return g.toBytes();
}

/** As many copies of a text as it is told. Many millions of them abort the process that turns them into strings. */
export function repeating(): Uint8Array {
  const g = new GraphBuilder({ name: "repeating" });
  const times = g.input("x", "int64", [1]);
  const text = g.constant({ dtype: "string", shape: [1], data: ["some text"] });
  g.output("y", g.expand(text, times));
  return g.toBytes();
}

/** Takes gigabytes while it is loaded, when constants are folded. */
export function allocatingAtLoad(bytes: number): Uint8Array {
  const g = new GraphBuilder({ name: "allocating-at-load" });
  const one = g.constant({ dtype: "float32", shape: [1], data: Float32Array.of(1) });
  const large = g.exp(g.expand(one, g.ints([Math.floor(bytes / 4)])));
  g.output("y", g.add(g.input("x", "float32", ["batch"]), g.reduceSum(large, g.ints([0]), { keepdims: 1 })));
  return g.toBytes();
}
