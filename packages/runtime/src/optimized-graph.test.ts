import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Tensor } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findOptimized, keepOptimized, optimizedPath } from "./optimized-graph.ts";
import { openSession, optimizedFor, writeOptimized } from "./session.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-optimized-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** y = x · W + b, with weights that are easy to check by hand. */
async function linear(name: string): Promise<string> {
  const g = new GraphBuilder({ name });
  const x = g.input("x", "float32", ["batch", 2]);
  const weights: Tensor = { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 10, 20, 30) };
  const bias: Tensor = { dtype: "float32", shape: [3], data: Float32Array.of(0.5, 0.5, 0.5) };
  g.output("y", g.add(g.matMul(x, g.constant(weights, "W")), g.constant(bias, "b")));
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, g.toBytes());
  return path;
}

test("an optimised graph gives what the graph gives", async () => {
  const graph = await linear("linear");
  expect(await findOptimized(graph, optimizedFor())).toBeUndefined();
  await keepOptimized(graph, optimizedFor(), writeOptimized);
  const path = await findOptimized(graph, optimizedFor());
  expect(path).toBe(optimizedPath(graph, optimizedFor()));
  const session = await openSession(path!, { threads: 1 });
  const x: Tensor = { dtype: "float32", shape: [1, 2], data: Float32Array.of(1, 2) };
  const y = (await session.run(new Map([["x", x]]))).get("y");
  // 1·(1,2,3) + 2·(10,20,30) + 0.5
  expect(y).toEqual({ dtype: "float32", shape: [1, 3], data: Float32Array.of(21.5, 42.5, 63.5) });
  await session.close();
});

test("another version, provider, optimisation or graph has a file of its own", async () => {
  const graph = await linear("other");
  const usual = optimizedFor();
  const paths = [
    optimizedPath(graph, usual),
    optimizedPath(graph, { ...usual, runtime: "9.9.9" }),
    optimizedPath(graph, { ...usual, executionProviders: ["cuda", "cpu"] }),
    optimizedPath(graph, { ...usual, optimization: "basic" }),
    optimizedPath(await linear("third"), usual),
  ];
  expect(new Set(paths).size).toBe(paths.length);
  for (const path of paths) expect(basename(path)).toMatch(/^\.compiled-[0-9a-f]{32}\.ort$/);
});

test("what could not be written to its end leaves nothing", async () => {
  const graph = await linear("failing");
  const before = await readdir(folder);
  const write = async (_graph: string, target: string) => {
    await writeFile(target, "half");
    throw new Error("no space left");
  };
  await expect(keepOptimized(graph, optimizedFor(), write)).rejects.toThrow("no space left");
  expect(await readdir(folder)).toEqual(before);
});

test("a damaged optimised graph is an error, not a crash", async () => {
  const graph = await linear("damaged");
  const path = optimizedPath(graph, optimizedFor());
  await writeFile(path, "this is no graph");
  await expect(openSession(path, { threads: 1 })).rejects.toMatchObject({ code: "session-failed" });
});
