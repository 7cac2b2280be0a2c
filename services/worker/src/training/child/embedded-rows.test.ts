import { appendFile, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../testing/modules.ts";
import { EmbeddedRows, type Placed } from "./embedded-rows.ts";

let place: Awaited<ReturnType<typeof temporaryFolder>>;
let file: { path: string; saved: string };
beforeEach(async () => {
  place = await temporaryFolder();
  file = { path: join(place.folder, "rows"), saved: join(place.folder, "rows.saved") };
});
afterEach(() => place.remove());

const TOTAL = 4;
const placed = (at: number): Placed => ({
  at,
  id: `${at}`,
  split: "train",
  content: { kind: "text", text: "" },
  target: { kind: "class", class: 0 },
});
const rowsOf = (...data: number[]): Tensor => ({
  dtype: "float32",
  shape: [data.length / 2, 2],
  data: Float32Array.from(data),
});

async function writeTwo(): Promise<void> {
  await using rows = await EmbeddedRows.open(file, TOTAL);
  await rows.write(rowsOf(6, 7, 2, 3), [placed(3), placed(1)]);
  await rows.save();
}

async function found(): Promise<{ features: number; places: number[] }> {
  await using rows = await EmbeddedRows.open(file, TOTAL);
  return { features: rows.features, places: [0, 1, 2, 3].filter((at) => rows.has(placed(at))) };
}

test("rows are at their places, and whoever goes on knows which are there", async () => {
  await writeTwo();
  expect(await found()).toEqual({ features: 2, places: [1, 3] });
  {
    await using rows = await EmbeddedRows.open(file, TOTAL);
    await rows.write(rowsOf(0, 1, 4, 5), [placed(0), placed(2)]);
    await rows.save();
  }
  const bytes = await readFile(file.path);
  expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(await found()).toEqual({ features: 2, places: [0, 1, 2, 3] });
});

test("a list that was cut off in a number, or ends in zeros, tells of what is before that", async () => {
  await writeTwo();
  await appendFile(file.saved, Uint8Array.of(1));
  expect(await found()).toEqual({ features: 2, places: [1, 3] });
  await appendFile(file.saved, new Uint8Array(8));
  expect(await found()).toEqual({ features: 2, places: [1, 3] });
});

test("what can't be of this file begins anew", async () => {
  await writeTwo();
  await truncate(file.path, 20);
  expect(await found()).toEqual({ features: 0, places: [] });
  await writeTwo();
  await writeFile(file.saved, new Uint8Array(Uint32Array.of(2, 99).buffer));
  expect(await found()).toEqual({ features: 0, places: [] });
});

test("rows of other widths, and numbers that are none, are refused", async () => {
  await using rows = await EmbeddedRows.open(file, TOTAL);
  await rows.write(rowsOf(1, 2), [placed(0)]);
  const wider: Tensor = { dtype: "float32", shape: [1, 3], data: new Float32Array(3) };
  await expect(rows.write(wider, [placed(1)])).rejects.toMatchObject({ code: "task-mismatch" });
  await expect(rows.write(rowsOf(1, Number.NaN), [placed(2)])).rejects.toMatchObject({
    code: "run-failed",
    message: expect.stringContaining("embedding of 2"),
  });
});
