import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ProblemError } from "@modulehub/core";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { readAll, refusalOf, type TarEntry, TestData, tarOf, type ZipEntry, zipOf } from "../test-data.ts";

const data = new TestData();
afterAll(() => data[Symbol.asyncDispose]());

const ARCHIVE = { format: "archive" } as const;
const GOOD = [
  { name: "a/1.txt", content: "one" },
  { name: "b/1.txt", content: "two" },
];

const climbing = ["../a/3.txt", "a/../../3.txt", "/etc/3.txt", "..\\a\\3.txt", "C:\\a\\3.txt", "C:a/3.txt"];

test.each(climbing)("a tar with the entry %s is refused", async (name) => {
  const source = await data.file("climbing.tar", await tarOf([...GOOD, { name, content: "three" }]));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-archive-unsafe" });
});

test.each(climbing)("a zip with the entry %s is refused", async (name) => {
  const source = await data.file("climbing.zip", zipOf([...GOOD, { name, content: "three" }]));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-archive-unsafe" });
});

const kinds: TarEntry[] = [
  { name: "a/2.txt", type: "symlink", linkname: "/etc/passwd" },
  { name: "a/2.txt", type: "link", linkname: "a/1.txt" },
  { name: "a/2.txt", type: "character-device" },
  { name: "a/2.txt", type: "block-device" },
  { name: "a/2.txt", type: "fifo" },
];
test.each(kinds)("a tar with a $type is refused", async (entry) => {
  const source = await data.file("kinds.tar", await tarOf([...GOOD, entry]));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({
    code: "data-archive-unsafe",
    detail: expect.stringContaining('"a/2.txt"'),
  });
});

// Modes of Unix: S_IFLNK, S_IFCHR, S_IFIFO.
test.each([0o120777, 0o020666, 0o010644])("a zip with an entry of the mode %o is refused", async (mode) => {
  const source = await data.file("modes.zip", zipOf([...GOOD, { name: "a/2.txt", content: "/etc", mode }]));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-archive-unsafe" });
});

test("a folder with a symbolic link in it is refused", async () => {
  const source = await data.tree("linked", { "a/1.txt": "one", "b/1.txt": "two" });
  await symlink("/etc/hostname", join(source.file, "b/2.txt"));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-archive-unsafe" });
});

test("folders nested too deeply are refused", async () => {
  const source = await data.file(
    "deep.zip",
    zipOf([{ name: `${"f/".repeat(40)}1.txt`, content: "one" }, ...GOOD]),
  );
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-archive-unsafe" });
});

test("gzip that unpacks to thousandfold its size is stopped, in an archive and in a table", async () => {
  const blanks = Buffer.alloc(80 * 2 ** 20, "a b ");
  const bomb = gzipSync(await tarOf([...GOOD, { name: "a/2.txt", content: blanks }]));
  expect(bomb.length).toBeLessThan(2 ** 20);
  const source = await data.file("bomb.tar.gz", bomb);
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-too-large" });
  const table = await data.file(
    "bomb.csv.gz",
    gzipSync(Buffer.concat([Buffer.from("text,label\n"), blanks])),
  );
  expect((await refusalOf(table, { format: "csv" })).code).toMatch(/^data-(too-large|row-invalid)$/);
});

test("a zip that unpacks to more than is taken is stopped, also where its headers say otherwise", async () => {
  const files = (size?: number): ZipEntry[] =>
    Array.from({ length: 20 }, (_, index) => ({
      name: `${index % 2 ? "a" : "b"}/${index}.txt`,
      content: Buffer.alloc(2 ** 20, "word "),
      size,
    }));
  const limits = { unpackedBytes: 4 * 2 ** 20 };
  const honest = await data.file("bomb.zip", zipOf(files()));
  expect(await refusalOf(honest, ARCHIVE, limits)).toMatchObject({ code: "data-too-large" });
  const lying = await data.file("lying.zip", zipOf(files(10)));
  expect(await refusalOf(lying, ARCHIVE, limits)).toMatchObject({ code: "data-corrupt" });
});

test("more entries than are taken are refused", async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`a/${index}.txt`, "x"]));
  const sources = [
    await data.file("many.tar", await tarOf(many)),
    await data.file("many.zip", zipOf(many)),
    await data.tree("many", many),
  ];
  for (const source of sources)
    expect(await refusalOf(source, ARCHIVE, { entries: 20 })).toMatchObject({ code: "data-too-large" });
});

test("a file larger than is taken is refused before it is read", async () => {
  const source = await data.file("large.zip", zipOf(GOOD));
  expect(await refusalOf(source, ARCHIVE, { fileBytes: 100 })).toMatchObject({ code: "data-too-large" });
});

test("archives that are cut off are refused as damaged", async () => {
  const tar = await tarOf([...GOOD, { name: "a/2.txt", content: Buffer.alloc(5000, "three ") }]);
  const gzip = gzipSync(tar);
  const zip = zipOf(GOOD);
  const cut = [
    await data.file("cut.tar", tar.subarray(0, 4000)),
    await data.file("cut.tar.gz", gzip.subarray(0, gzip.length - 20)),
    await data.file("cut.zip", zip.subarray(0, zip.length - 30)),
  ];
  for (const source of cut) expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-corrupt" });
});

test("a zip whose bytes don't have their checksum is refused as damaged", async () => {
  const source = await data.file("crc.zip", zipOf([...GOOD, { name: "a/2.txt", content: "three", crc: 1 }]));
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({
    code: "data-corrupt",
    detail: expect.stringContaining('"a/2.txt"'),
  });
});

test("entries that are encrypted or packed in a rare way are refused by name", async () => {
  const encrypted = await data.file("encrypted.zip", zipOf([...GOOD, { name: "a/2.txt", flags: 0x801 }]));
  expect(await refusalOf(encrypted, ARCHIVE)).toMatchObject({ code: "data-format" });
  const bzip2 = await data.file("bzip2.zip", zipOf([...GOOD, { name: "a/2.txt", method: 12 }]));
  expect(await refusalOf(bzip2, ARCHIVE)).toMatchObject({ code: "data-format" });
});

test("an archive in an archive is not opened", async () => {
  const source = await data.file(
    "nested.zip",
    zipOf([...GOOD, { name: "a/inner.zip", content: zipOf(GOOD) }]),
  );
  expect(await refusalOf(source, ARCHIVE)).toMatchObject({ code: "data-file-unknown" });
});

test("texts that are too long, not UTF-8 or hold NUL are told by their paths, or left out", async () => {
  const source = await data.file(
    "faulty.tar",
    await tarOf([
      ...GOOD,
      { name: "a/long.txt", content: Buffer.alloc(10 * 2 ** 20, "long ") },
      { name: "a/latin1.txt", content: Buffer.from("caf\xe9", "latin1") },
      { name: "b/nul.txt", content: "nul\0nul" },
    ]),
  );
  const refused = await readAll(source, ARCHIVE);
  expect(refused.report.problems).toMatchObject([
    { code: "data-text-too-long", errors: [{ path: "a/long.txt" }] },
    { code: "data-encoding", errors: [{ path: "a/latin1.txt" }, { path: "b/nul.txt" }] },
  ]);
  const skipped = await readAll(source, { ...ARCHIVE, faulty: "skip" });
  expect(skipped.report).toMatchObject({ examples: 2, problems: [] });
  expect(skipped.examples.map(({ id }) => id)).toEqual(["a/1.txt", "b/1.txt"]);
});

test("an archive with any bytes changed is read, or refused with a code", async () => {
  const archives = [
    await tarOf(GOOD),
    zipOf(GOOD),
    gzipSync(await tarOf(GOOD)),
    zipOf(GOOD.map((entry) => ({ ...entry, method: 0 }))),
  ];
  const change = fc.record({
    which: fc.nat(archives.length - 1),
    at: fc.array(fc.record({ place: fc.double({ min: 0, max: 0.999, noNaN: true }), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 6,
    }),
    length: fc.double({ min: 0.1, max: 1, noNaN: true }),
  });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(change, async ({ which, at, length }) => {
      const bytes = Buffer.from(archives[which]!);
      for (const { place, byte } of at) bytes[Math.floor(place * bytes.length)] = byte;
      const source = await data.file(
        `changed-${count++ % 8}`,
        bytes.subarray(0, Math.ceil(bytes.length * length)),
      );
      const read = await readAll(source, ARCHIVE).catch((error: unknown) => error);
      if (read instanceof Error) expect(read).toBeInstanceOf(ProblemError);
    }),
    { numRuns: 300 },
  );
});
