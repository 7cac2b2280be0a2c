import type { InspectResponse, VersionFile } from "@modulehub/core";
import { GraphBuilder } from "@modulehub/onnx";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ModuleCache } from "../modules/module-cache.ts";
import { TEST_LIMITS } from "../testing/engines.ts";
import { affine, allocating, allocatingAtLoad, endless, repeating } from "../testing/graphs.ts";
import {
  MemorySource,
  plainSignature,
  type TestModule,
  temporaryFolder,
  testModule,
} from "../testing/modules.ts";
import { Inspector } from "./inspector.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
const source = new MemorySource();
let inspector: Inspector;
beforeAll(async () => {
  place = await temporaryFolder();
  const cache = new ModuleCache(place.folder, source, 2 ** 30, () => undefined);
  await cache.open();
  inspector = new Inspector(cache, { ...TEST_LIMITS, memoryBytes: 384 * 2 ** 20 }, 2, { exampleMs: 2000 });
});
afterAll(async () => {
  await place.remove();
});

const inspect = (module: TestModule): Promise<InspectResponse> => {
  source.add(module);
  return inspector.inspect({ digest: module.digest, files: module.files });
};
const row = { dtype: "float32" as const, shape: ["batch", 3] };
const counted = (output: "int64" | "float32" | "string", times: number) => ({
  signatures: plainSignature({ dtype: "int64", shape: [1] }, { dtype: output, shape: ["n"] }),
  examples: [{ title: "the example", inputs: { x: [times] } }],
});

test("a module whose example never ends is rejected, naming what it was doing", async () => {
  expect(await inspect(testModule(endless(), counted("int64", 2 ** 50)))).toMatchObject({
    outcome: "rejected",
    problems: [
      { code: "inspection-timeout", status: 422, detail: "It was stopped while running the example." },
    ],
  });
});

test("many examples that each end in time don't make an inspection longer than it may be in all", async () => {
  const examples = Array.from({ length: 32 }, () => ({ inputs: { x: [1_000_000] } }));
  const module = source.add(testModule(endless(), { ...counted("int64", 1), examples }));
  const cache = new ModuleCache(place.folder, source, 2 ** 30, () => undefined);
  const hasty = new Inspector(cache, TEST_LIMITS, 2, { totalMs: 2000 });
  expect(await hasty.inspect({ digest: module.digest, files: module.files })).toMatchObject({
    outcome: "rejected",
    problems: [{ code: "inspection-timeout", detail: expect.stringContaining("It was stopped while ") }],
  });
});

test("a module that takes gigabytes when it runs is rejected with the figures", async () => {
  expect(await inspect(testModule(allocating(), counted("float32", 2 ** 31)))).toMatchObject({
    outcome: "rejected",
    problems: [
      {
        code: "inspection-memory",
        detail: expect.stringMatching(/^It took more than 384 MB while running the example\.$/),
      },
    ],
  });
});

test("a module that takes gigabytes when it is loaded is rejected", async () => {
  const module = testModule(allocatingAtLoad(6e9), {
    signatures: plainSignature(
      { dtype: "float32", shape: ["batch"] },
      { dtype: "float32", shape: ["batch"] },
    ),
    examples: [{ inputs: { x: [1] } }],
  });
  expect(await inspect(module)).toMatchObject({
    outcome: "rejected",
    problems: [{ code: "inspection-memory" }],
  });
});

test("a module that aborts the process is rejected", async () => {
  const answer = await inspect(testModule(repeating(), counted("string", 6_000_000)));
  expect(answer).toMatchObject({ outcome: "rejected" });
  if (answer.outcome === "rejected")
    // On a busy machine the time may be over before the memory is.
    expect(["inspection-crashed", "inspection-memory", "inspection-timeout"]).toContain(
      answer.problems[0]?.code,
    );
});

test("files that are no models say what they are", async () => {
  const files: [string, string][] = [
    ["version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git-lfs-pointer"],
    ["<!DOCTYPE html><html><body>Sign in</body></html>", "html-instead-of-model"],
    ["this is not a model at all", "not-onnx"],
  ];
  for (const [text, code] of files) {
    const module = testModule(Buffer.from(text), { signatures: plainSignature(row, row) });
    expect(await inspect(module)).toMatchObject({ outcome: "rejected", problems: [{ code, status: 422 }] });
  }
  const empty = testModule(new Uint8Array(), { signatures: plainSignature(row, row) });
  expect(await inspect(empty)).toMatchObject({ outcome: "rejected", problems: [{ code: "file-empty" }] });
});

test("a 4-bit output, which would abort the process, is refused before anything is loaded", async () => {
  const g = new GraphBuilder({ name: "int4" });
  g.output("y", g.cast(g.input("x", "float32", ["batch", 3]), { to: 22 }));
  const module = testModule(g.toBytes(), {
    signatures: plainSignature(row, { dtype: "int4", shape: ["batch", 3] }),
    examples: [{ inputs: { x: [[1, 2, 3]] } }],
  });
  expect(await inspect(module)).toMatchObject({
    outcome: "rejected",
    problems: [{ code: "dtype-unsupported" }],
  });
});

test("a manifest that promises what the graph lacks is refused", async () => {
  const module = testModule(affine(), {
    signatures: { default: { inputs: { z: row }, outputs: { y: row } } },
  });
  expect(await inspect(module)).toMatchObject({
    outcome: "rejected",
    problems: [{ code: "manifest-mismatch" }, {}],
  });
});

test("an example that the module can't run is refused, without a path of this machine", async () => {
  const module = testModule(affine(), {
    signatures: plainSignature({ dtype: "float32", shape: ["batch", "n"] }, row),
    examples: [{ title: "too wide", inputs: { x: [[1, 2, 3, 4]] } }],
  });
  const answer = await inspect(module);
  expect(answer).toMatchObject({ outcome: "rejected", problems: [{ code: "example-failed" }] });
  expect(JSON.stringify(answer)).not.toContain(place.folder);
});

test("a signature without an example is accepted and never batched", async () => {
  const answer = await inspect(testModule(affine(), { signatures: plainSignature(row, row) }));
  expect(answer).toMatchObject({
    outcome: "accepted",
    report: { signatures: { default: { batching: "none" } }, graphs: { "model.onnx": { nodes: 2 } } },
  });
});

test("files that would pass for the hub's own compiled graphs, or leave the folder, are refused", async () => {
  for (const path of [".compiled-0123.onnx", "onnx/.compiled-0123.onnx"]) {
    const module = testModule(affine(), { signatures: plainSignature(row, row) }, { [path]: affine() });
    expect(await inspect(module)).toMatchObject({
      outcome: "rejected",
      problems: [{ code: "invalid-path" }],
    });
  }
  const module = testModule(affine(), { signatures: plainSignature(row, row) });
  const files = module.files.map((file) => ({ ...file, path: `../${file.path}` }));
  expect(await inspector.inspect({ digest: module.digest, files })).toMatchObject({
    outcome: "rejected",
    problems: [{ code: "invalid-path" }],
  });
});

test("files that can't be fetched are the world's fault, not the module's", async () => {
  const module = testModule(
    affine(),
    { signatures: plainSignature(row, row) },
    { extra: Buffer.from("never stored") },
  );
  await expect(inspector.inspect({ digest: module.digest, files: module.files })).rejects.toMatchObject({
    code: "blob-not-found",
  });
});

test("an inspection that nobody waits for any more is ended at once, and the next has its turn", async () => {
  const stop = new AbortController();
  const module = testModule(endless(), counted("int64", 2 ** 49));
  source.add(module);
  // With the default of 30 s for an example it would not end by itself in time.
  const patient = new Inspector(
    new ModuleCache(place.folder, source, 2 ** 30, () => undefined),
    TEST_LIMITS,
    2,
  );
  const request = { digest: module.digest, files: module.files };
  const given = patient.inspect(request, stop.signal);
  const waiting = patient.inspect(request, AbortSignal.abort(new Error("never wanted")));
  const began = performance.now();
  setTimeout(() => stop.abort(new Error("cancelled")), 1_500);
  await expect(given).rejects.toThrow("cancelled");
  await expect(waiting).rejects.toThrow("never wanted");
  expect(performance.now() - began).toBeLessThan(10_000);
});

test("an inspection that is given up when its files are just in place begins no run", async () => {
  const stop = new AbortController();
  class StopsInPlace extends ModuleCache {
    override withDraft<T>(
      files: readonly VersionFile[],
      signal: AbortSignal,
      work: (folder: string) => Promise<T>,
    ): Promise<T> {
      return super.withDraft(files, signal, (folder) => {
        stop.abort(new Error("cancelled"));
        return work(folder);
      });
    }
  }
  const module = source.add(testModule(endless(), counted("int64", 2 ** 48)));
  const cache = new StopsInPlace(place.folder, source, 2 ** 30, () => undefined);
  // Its example alone would take longer than this test may.
  const patient = new Inspector(cache, TEST_LIMITS, 2, { exampleMs: 600_000 });
  const given = patient.inspect({ digest: module.digest, files: module.files }, stop.signal);
  await expect(given).rejects.toThrow("cancelled");
});
