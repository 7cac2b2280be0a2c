import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSession } from "./session.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-session-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function graphFile(name: string, build: (g: GraphBuilder) => void): Promise<string> {
  const g = new GraphBuilder({ name });
  build(g);
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, g.toBytes());
  return path;
}

const identity = (tensor: Tensor) =>
  graphFile(`identity-${tensor.dtype}`, (g) => {
    g.output("y", g.identity(g.input("x", tensor.dtype, ["n"])));
  });

// Ends of the ranges, signed zero, NaN with a payload, subnormals: what conversion through numbers would lose.
const TENSORS: Tensor[] = [
  {
    dtype: "float32",
    shape: [4],
    data: Float32Array.of(-0, 1e-45, Number.POSITIVE_INFINITY, Math.fround(0.1)),
  },
  { dtype: "float64", shape: [3], data: Float64Array.of(Number.MIN_VALUE, -Number.MAX_VALUE, 0.1) },
  { dtype: "float16", shape: [5], data: Uint16Array.of(0x3c00, 0x8000, 0x0001, 0x7c00, 0xfe55) },
  { dtype: "int8", shape: [2], data: Int8Array.of(-128, 127) },
  { dtype: "int16", shape: [2], data: Int16Array.of(-32768, 32767) },
  { dtype: "int32", shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  { dtype: "int64", shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
  { dtype: "uint8", shape: [2], data: Uint8Array.of(0, 255) },
  { dtype: "uint16", shape: [2], data: Uint16Array.of(0, 65535) },
  { dtype: "uint32", shape: [2], data: Uint32Array.of(0, 2 ** 32 - 1) },
  { dtype: "uint64", shape: [2], data: BigUint64Array.of(0n, 2n ** 64n - 1n) },
  { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) },
  { dtype: "string", shape: [4], data: ["", "naïve 東京 🐟", "line\nbreak", "a".repeat(100_000)] },
];

test.each(TENSORS)("$dtype goes through a session without loss", async (tensor) => {
  const session = await openSession(await identity(tensor), { threads: 1 });
  expect(session.inputs).toEqual([{ name: "x", dtype: tensor.dtype, shape: ["n"] }]);
  const results = await session.run(new Map([["x", tensor]]));
  expect(results.get("y")).toEqual(tensor);
  const empty: Tensor = { ...tensor, shape: [0], data: tensor.data.slice(0, 0) } as Tensor;
  expect((await session.run(new Map([["x", empty]]))).get("y")).toEqual(empty);
  await session.close();
});

test("a string with NUL is refused, because the runtime would cut it", async () => {
  const tensor: Tensor = { dtype: "string", shape: [2], data: ["fine", "cut\0here"] };
  const session = await openSession(await identity(tensor), { threads: 1 });
  await expect(session.run(new Map([["x", tensor]]))).rejects.toMatchObject({
    code: "tensor-invalid",
    message: expect.stringContaining("x[1]"),
  });
  await session.close();
});

test("inputs that the graph can't take say so and leave the session usable", async () => {
  const path = await graphFile("product", (g) => {
    g.output("y", g.matMul(g.input("x", "float32", ["n", 3]), g.input("w", "float32", [3, "m"])));
  });
  const session = await openSession(path, { threads: 1 });
  const ones = (...shape: number[]): Tensor => ({
    dtype: "float32",
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
  });
  const run = (x: Tensor, w: Tensor) =>
    session.run(
      new Map([
        ["x", x],
        ["w", w],
      ]),
    );
  await expect(run(ones(2, 4), ones(3, 1))).rejects.toMatchObject({ code: "run-failed" });
  await expect(session.run(new Map([["x", ones(2, 3)]]))).rejects.toMatchObject({ code: "input-missing" });
  await expect(
    session.run(
      new Map([
        ["x", ones(2, 3)],
        ["w", ones(3, 1)],
      ]),
      ["z"],
    ),
  ).rejects.toMatchObject({ code: "output-unknown" });
  const good = await run(ones(2, 3), ones(3, 1));
  expect(good.get("y")).toEqual({ dtype: "float32", shape: [2, 1], data: Float32Array.of(3, 3) });
  await session.close();
});

test("only the outputs that are asked for come back", async () => {
  const path = await graphFile("two", (g) => {
    const x = g.input("x", "float32", ["n"]);
    g.output("up", g.relu(x));
    g.output("down", g.neg(x));
  });
  const session = await openSession(path, { threads: 1 });
  const x: Tensor = { dtype: "float32", shape: [1], data: Float32Array.of(2) };
  const results = await session.run(new Map([["x", x]]), ["down"]);
  expect([...results.keys()]).toEqual(["down"]);
  await session.close();
});

test("a file that is no model doesn't open, and its error names no folder of this machine", async () => {
  const path = join(folder, "broken.onnx");
  await writeFile(path, "this is not a model");
  for (const file of [path, join(folder, "missing.onnx")]) {
    const error = await openSession(file, { threads: 1 }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "session-failed" });
    expect(String(error)).not.toContain(folder);
  }
});

test("types that the binding can't carry are refused when the graph is opened", async () => {
  const path = await graphFile("bfloat16", (g) => {
    g.output("y", g.cast(g.input("x", "float32", ["n"]), { to: 16 }));
  });
  await expect(openSession(path, { threads: 1 })).rejects.toMatchObject({ code: "session-failed" });
});

test("a provider that is not there is an error and no silent run on the CPU", async () => {
  const path = await identity(TENSORS[0]!);
  const options = { threads: 1, executionProviders: ["no-such-provider"] };
  await expect(openSession(path, options)).rejects.toMatchObject({ code: "session-failed" });
});
