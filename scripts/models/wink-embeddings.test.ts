import { expect, test } from "vitest";
import { readWinkEmbeddings } from "./wink-embeddings.ts";

const words = ["the", '"', "1990", "]"];

/** A file of the package's form: word i has the vector i, i + 0.5, … and then its norm and index. */
function packageFile(changed: { numbers?: number; names?: string[] } = {}): Buffer {
  const names = changed.names ?? words;
  const rows = names.map((word, index) => {
    const numbers = Array.from({ length: changed.numbers ?? 102 }, (_, i) => (i < 100 ? index + i / 2 : 99));
    return `${JSON.stringify(word)}:${JSON.stringify(numbers)}`;
  });
  return Buffer.from(
    `{"size":4,"words":${JSON.stringify(words)},"vectors":{${rows.join(",")}},"unkVector":[0]}`,
  );
}

test("words keep their order, also those that look like numbers, and lose norm and index", () => {
  const table = readWinkEmbeddings(packageFile(), Number.POSITIVE_INFINITY);
  expect(table.words).toEqual(words);
  expect(table.dimensions).toBe(100);
  expect(table.rows.length).toBe(400);
  expect([...table.rows.subarray(200, 203)]).toEqual([2, 2.5, 3]);
  expect(table.rows[399]).toBe(3 + 99 / 2);
});

test("only as many words as asked for are read", () => {
  expect(readWinkEmbeddings(packageFile(), 2).words).toEqual(["the", '"']);
});

test("a file of another form is refused", () => {
  expect(() => readWinkEmbeddings(Buffer.from("{}"), 1)).toThrow(/no list of words/);
  expect(() => readWinkEmbeddings(packageFile({ numbers: 101 }), 1)).toThrow(/102 numbers/);
  expect(() => readWinkEmbeddings(packageFile({ names: ["the", "of", "1990", "]"] }), 4)).toThrow(
    /belongs to "of"/,
  );
});
