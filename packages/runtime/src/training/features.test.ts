import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { denseFeatures, featureScaling, openFeatures } from "./features.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-features-"));
afterAll(() => rmSync(folder, { recursive: true }));

const VALUES = Float32Array.of(1, 10, 2, 20, 3, 30, 6, 40);
const WANTED = Uint32Array.of(2, 0, 2);

test("a file's rows are the same from memory and read by batch", () => {
  const path = join(folder, "rows.f32");
  writeFileSync(path, new Uint8Array(VALUES.buffer));
  for (const inMemory of [1000, 0]) {
    using features = openFeatures(path, 2, inMemory);
    expect(features.examples).toBe(4);
    expect(features.feeds(WANTED).get("features")).toEqual({
      dtype: "float32",
      shape: [3, 2],
      data: Float32Array.of(3, 30, 1, 10, 3, 30),
    });
  }
});

test("a file that isn't of whole rows is refused", () => {
  const path = join(folder, "part.f32");
  writeFileSync(path, new Uint8Array(VALUES.buffer, 0, 28));
  expect(() => openFeatures(path, 2)).toThrow(expect.objectContaining({ code: "asset-invalid" }));
});

test("scaling is the mean and deviation of each feature over the examples that are named", () => {
  const { mean, deviation } = featureScaling(denseFeatures(VALUES, 2), 2, Uint32Array.of(0, 1, 2));
  expect(mean).toEqual(Float32Array.of(2, 20));
  // √((1 + 0 + 1) ÷ 3), and ten times that.
  expect(deviation[0]).toBeCloseTo(Math.sqrt(2 / 3), 6);
  expect(deviation[1]).toBeCloseTo(10 * Math.sqrt(2 / 3), 5);
});
