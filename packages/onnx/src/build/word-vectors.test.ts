import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { readWordVectors } from "./word-vectors.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-vectors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const GLOVE = "the 1 2.5\ncat -3e-1 4\n10 5 6\n";
const READ = { words: ["the", "cat", "10"], vectors: Float32Array.of(1, 2.5, -0.3, 4, 5, 6), dimensions: 2 };

/** As examples/word-vectors/SOURCE.md lays it out: magic, header, words, scales, rows. */
function compact(header: string, words: string, scales: number[], codes: number[]): Buffer {
  const sized = (text: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const parts = [Buffer.from("MHWV0001"), sized(header), sized(words)];
  return Buffer.concat([
    ...parts,
    Buffer.from(Float32Array.from(scales).buffer),
    Buffer.from(Int8Array.from(codes).buffer),
  ]);
}
const HEADER = '{"words":2,"dimensions":2,"encoding":"int8-row-scale"}';

test("GloVe's text, zipped or not, and word2vec's are read alike", async () => {
  expect(await readWordVectors(file("glove.txt", GLOVE))).toEqual(READ);
  expect(await readWordVectors(file("glove.txt.gz", gzipSync(GLOVE)))).toEqual(READ);
  expect(await readWordVectors(file("word2vec.txt", `3 2\n${GLOVE.replaceAll("\n", " \r\n")}`))).toEqual(
    READ,
  );
});

test("reading stops after the words that were asked for", async () => {
  const two = await readWordVectors(file("broken-later.txt", `${GLOVE}broken`), 2);
  expect([two.words, [...two.vectors]]).toEqual([
    ["the", "cat"],
    [1, 2.5, Math.fround(-0.3), 4],
  ]);
});

test("the compact form is scale times row", async () => {
  const path = file("small.mhwv", compact(HEADER, "the\ncat", [0.5, 2], [1, -2, 127, 3]));
  expect(await readWordVectors(path)).toEqual({
    words: ["the", "cat"],
    vectors: Float32Array.of(0.5, -1, 254, 6),
    dimensions: 2,
  });
  expect((await readWordVectors(path, 1)).words).toEqual(["the"]);
});

test("what is no file of word vectors is refused, with the line", async () => {
  const refused = (name: string, content: string | Uint8Array, sentence: RegExp) =>
    expect(readWordVectors(file(name, content))).rejects.toThrow(sentence);
  await refused("a.txt", "", /empty/);
  await refused("b.txt", "the 1 2\ncat 1\n", /Line 2 has 1 numbers; the lines before have 2/);
  await refused("c.txt", "the 1 x\n", /Line 1 holds something that is not a number/);
  await refused("d.txt.gz", "the 1 2\n", /not gzip/);
  await refused("e.mhwv", compact(HEADER, "the\ncat", [1], [1]), /damaged/);
  await refused("f.mhwv", compact("{", "", [], []), /not JSON/);
  await refused("g.mhwv", compact('{"words":1e9,"dimensions":1e9}', "", [], []), /not one that is known/);
  await refused("h.mhwv", compact(HEADER, "the", [1, 1], [1, 1, 1, 1]), /damaged/);
});
