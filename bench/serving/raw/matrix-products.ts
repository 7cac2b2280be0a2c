import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import type { Tensor } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { CORES } from "../context.ts";
import { seededRandom } from "../statistics.ts";
import { RawChild } from "./raw.ts";

/** Shape of a product as the model has them, of the kind that was done fastest: [256, 1536] × [1536, 384]. */
const [ROWS, DEPTH, COLUMNS] = [256, 1536, 384] as const;

/** Floating-point operations of one. */
const OPERATIONS = 2 * ROWS * DEPTH * COLUMNS;

/** Runs in each process, a second together. */
const RUNS = 300;

/**
 * Processes of one thread, a core each, in which ONNX Runtime multiplies matrices and does nothing else. Whatever has
 * to multiply as many numbers takes longer.
 */
export class MatrixProducts {
  readonly #children: readonly RawChild[];

  private constructor(children: readonly RawChild[]) {
    this.#children = children;
  }

  static async start(): Promise<MatrixProducts> {
    const folder = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
    try {
      const random = seededRandom(23);
      const matrix = (...shape: [number, number]): Tensor => ({
        dtype: "float32",
        shape,
        data: Float32Array.from({ length: shape[0] * shape[1] }, () => 2 * random() - 1),
      });
      const graph = new GraphBuilder({ name: "product" });
      const rows = graph.input("rows", "float32", [ROWS, DEPTH]);
      graph.output("product", graph.matMul(rows, graph.constant(matrix(DEPTH, COLUMNS))));
      const [model, items] = [join(folder, "model.onnx"), join(folder, "items.v8")];
      writeFileSync(model, graph.toBytes());
      writeFileSync(items, serialize([new Map([["rows", matrix(ROWS, DEPTH)]])]));
      const starting = Array.from({ length: CORES }, () => RawChild.start(model, items, 1));
      return new MatrixProducts(await Promise.all(starting));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Floating-point operations a second, of all cores together. */
  async operationsPerSecond(): Promise<number> {
    const runs = new Array<number>(RUNS).fill(0);
    const took = await Promise.all(this.#children.map((child) => child.singles(runs)));
    return took.reduce((sum, ms) => sum + (RUNS * OPERATIONS * 1000) / ms.reduce((a, b) => a + b), 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }
}
