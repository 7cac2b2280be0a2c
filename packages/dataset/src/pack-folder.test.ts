import { createHash } from "node:crypto";
import { readFile, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError } from "@modulehub/core";
import { afterAll, expect, test } from "vitest";
import { packFolder } from "./pack-folder.ts";
import { readAll, TestData } from "./test-data.ts";

const data = new TestData();
afterAll(() => data[Symbol.asyncDispose]());

const FILES = { "b/1.txt": "two", "a/2.txt": "three", "a/1.txt": "one", ".hidden": "x" };
const digest = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

test("the same files have the same digest, whenever and wherever they are packed", async () => {
  const first = await data.tree("first", FILES);
  const second = await data.tree("elsewhere/second", Object.fromEntries(Object.entries(FILES).reverse()));
  await utimes(join(second.file, "a/1.txt"), new Date(0), new Date(1e12));
  await packFolder(first.file, join(data.folder, "first.tar"));
  await packFolder(second.file, join(data.folder, "second.tar"));
  const packed = await digest(join(data.folder, "first.tar"));
  expect(await digest(join(data.folder, "second.tar"))).toBe(packed);
  await data.tree("first", { "a/3.txt": "four" });
  await packFolder(first.file, join(data.folder, "third.tar"));
  expect(await digest(join(data.folder, "third.tar"))).not.toBe(packed);
});

test("a packed folder holds the same examples as the folder", async () => {
  const folder = await data.tree("same", {
    ...FILES,
    [`a/${"long name ".repeat(20)}.txt`]: "long",
    "b/ü😀.txt": "u",
  });
  const sizes: number[] = [];
  const file = join(data.folder, "same.tar");
  await packFolder(folder.file, file, { onBytes: (bytes) => sizes.push(bytes) });
  const reading = { format: "archive", split: { test: 0 } } as const;
  expect((await readAll({ file }, reading)).examples).toEqual((await readAll(folder, reading)).examples);
  expect(sizes.reduce((sum, bytes) => sum + bytes)).toBe(3 + 5 + 3 + 4 + 1);
});

test("a folder with a link is not packed, and leaves no open file behind", async () => {
  const folder = await data.tree("linked", FILES);
  await symlink("/etc/hostname", join(folder.file, "b/2.txt"));
  await expect(packFolder(folder.file, join(data.folder, "linked.tar"))).rejects.toThrow(ProblemError);
});
