import { expect, test } from "vitest";
import { GraphBuilder } from "../graph-builder.ts";
import type { GraphProto } from "../schema.ts";
import { float32 } from "../test-runtime.ts";
import { embeddingUses } from "./embedding-use.ts";

/** As many int8 tables of two rows as told, each with its scales, added up. */
function scaledTables(count: number): GraphProto {
  const g = new GraphBuilder({ opset: 20 });
  const ids = g.input("ids", "int64", ["batch", "n"]);
  const vectors = Array.from({ length: count }, (_, at) => {
    const codes = g.constant({ dtype: "int8", shape: [2, 2], data: Int8Array.of(at, 2, 3, 4) }, `codes${at}`);
    const scales = g.constant(float32([2, 1], [0.5, 2]), `scales${at}`);
    return g.mul(g.cast(g.gather(codes, ids), { to: 1 }), g.gather(scales, ids));
  });
  g.output("y", g.sum(vectors));
  return g.toModel().graph!;
}

test("int8 tables are found with the scales of their rows", () => {
  const uses = embeddingUses(scaledTables(3));
  expect(uses.map(({ table }) => table.name)).toEqual(["codes0", "codes1", "codes2"]);
  expect(uses.map(({ table }) => [...table.read()])).toEqual([
    [0, 1, 6, 8],
    [0.5, 1, 6, 8],
    [1, 1, 6, 8],
  ]);
});

test("a factor that other rows choose is no scale of the rows", () => {
  const g = new GraphBuilder({ opset: 20 });
  const codes = g.constant({ dtype: "int8", shape: [2, 2], data: Int8Array.of(1, 2, 3, 4) }, "codes");
  const scales = g.constant(float32([2, 1], [0.5, 2]), "scales");
  const [ids, others] = (["ids", "others"] as const).map((name) => g.input(name, "int64", ["batch", "n"]));
  g.output("y", g.mul(g.cast(g.gather(codes, ids!), { to: 1 }), g.gather(scales, others!)));
  // What remains is the table of "scales", read on its own.
  expect(embeddingUses(g.toModel().graph!).map(({ table }) => table.name)).toEqual(["scales"]);
});

test("finding tables looks at each node a bounded number of times", () => {
  const looks = (count: number): number => {
    const graph = scaledTables(count);
    let seen = 0;
    for (const node of graph.node) {
      const { input } = node;
      const get = () => {
        seen += 1;
        return input;
      };
      Object.defineProperty(node, "input", { get });
    }
    expect(embeddingUses(graph).length).toBe(count);
    return seen;
  };
  expect(looks(40)).toBeLessThanOrEqual(4 * looks(10));
});
