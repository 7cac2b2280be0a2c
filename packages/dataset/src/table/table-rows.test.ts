import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { readAll, refusalOf, TestData } from "../test-data.ts";

const data = new TestData();
afterAll(() => data[Symbol.asyncDispose]());

const NO_DRAWS = { split: { test: 0 } };

/** What a table says, as `id: text → label`. */
async function told(name: string, content: string | Uint8Array, reading: object): Promise<string[]> {
  const source = await data.file(name, content);
  const { examples, plan } = await readAll(source, { format: "csv", ...NO_DRAWS, ...reading });
  return examples.map(({ id, content: each, target }) => {
    const label =
      target.kind === "class"
        ? plan.classes[target.class]
        : target.kind === "labels"
          ? target.labels.map((index) => plan.classes[index]).join("+")
          : target.value;
    return `${id}: ${each.kind === "text" ? each.text : each.bytes.length} → ${label}`;
  });
}

test("a CSV is read by RFC 4180: quotes, doubled quotes, commas and line ends inside them", async () => {
  const csv = 'text,label\r\n"a, b",x\r\n"say ""hi""",y\r\n"two\r\nlines",x\r\n12" vinyl,y\r\n';
  expect(await told("rfc.csv", csv, {})).toEqual([
    "row 1: a, b → x",
    'row 2: say "hi" → y',
    "row 3: two\r\nlines → x",
    'row 4: 12" vinyl → y',
  ]);
});

test("a byte order mark, blank lines and a missing last line end change nothing", async () => {
  expect(await told("bom.csv", '\ufeff"text",label\n\na,x\n\nb,y', {})).toEqual([
    "row 1: a → x",
    "row 2: b → y",
  ]);
});

test("columns are found by their names, in any order", async () => {
  const csv = "stars,who,review\n5,ann,good\n1,bob,bad\n";
  const columns = { text: "review", label: "stars", id: "who" };
  expect(await told("names.csv", csv, { columns })).toEqual(["ann: good → 5", "bob: bad → 1"]);
});

test("a TSV has no quotes unless it is said to have", async () => {
  const tsv = 'text\tlabel\n"quoted" text\tx\n"whole"\ty\n';
  expect(await told("plain.tsv", tsv, { format: "tsv" })).toEqual([
    'row 1: "quoted" text → x',
    'row 2: "whole" → y',
  ]);
  expect(await told("quotes.tsv", tsv, { format: "tsv", quotes: true })).toEqual([
    'row 1: "quoted" text → x',
    "row 2: whole → y",
  ]);
});

test("labels of JSON may be numbers and truth values", async () => {
  const jsonl = '{"text":"a","label":1}\n{"text":"b","label":true}\n{"text":"c","label":"1"}\n';
  expect(await told("labels.jsonl", jsonl, { format: "jsonl" })).toEqual([
    "row 1: a → 1",
    "row 2: b → true",
    "row 3: c → 1",
  ]);
});

test("a table in gzip is the same table", async () => {
  const jsonl = '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n';
  expect(await told("packed.jsonl.gz", gzipSync(jsonl), { format: "jsonl" })).toEqual(
    await told("plain.jsonl", jsonl, { format: "jsonl" }),
  );
});

test("several labels come as a list in JSON, or as a text with separators; none is a list too", async () => {
  const jsonl = '{"text":"a","label":["y","x","y"]}\n{"text":"b","label":"x, z"}\n{"text":"c","label":[]}\n';
  expect(await told("several.jsonl", jsonl, { format: "jsonl", target: "labels" })).toEqual([
    "row 1: a → x+y",
    "row 2: b → x+z",
    "row 3: c → ",
  ]);
  const csv = "text,label\na,x|y\nb,\n";
  expect(await told("several.csv", csv, { target: "labels", labelSeparator: "|" })).toEqual([
    "row 1: a → x+y",
    "row 2: b → ",
  ]);
});

test("numbers are read as targets of a regression", async () => {
  const csv = "text,label\na,1.5\nb,-2e3\nc, 7 \n";
  expect(await told("numbers.csv", csv, { target: "number" })).toEqual([
    "row 1: a → 1.5",
    "row 2: b → -2000",
    "row 3: c → 7",
  ]);
});

test("images come in Base64, alone or as a data URL", async () => {
  const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex").toString("base64");
  const jsonl = `{"image":"${png}","label":"x"}\n{"image":"data:image/png;base64,${png}","label":"y"}\n`;
  const reading = { format: "jsonl", columns: { image: "image" } };
  expect(await told("images.jsonl", jsonl, reading)).toEqual(["row 1: 16 → x", "row 2: 16 → y"]);
  const bad = await data.file("bad.jsonl", `${jsonl}{"image":"not base64!","label":"x"}\n`);
  expect(await refusalOf(bad, { format: "jsonl", columns: { image: "image" } })).toMatchObject({
    code: "data-image-invalid",
  });
});

test("a column named split says which split a row is in", async () => {
  const csv = "text,label,split\na,x,train\nb,y,train\nc,x,dev\nd,y,TEST\n";
  const { examples } = await readAll(await data.file("split.csv", csv), { format: "csv" });
  expect(examples.map(({ split }) => split)).toEqual(["train", "train", "validation", "test"]);
  const unknown = await data.file("unknown.csv", `${csv}e,x,holdout\n`);
  expect(await refusalOf(unknown, { format: "csv" })).toMatchObject({ code: "data-split-invalid" });
});

test("a column that isn't there is told, with those that are", async () => {
  const source = await data.file("columns.csv", "review,stars\na,1\nb,2\n");
  expect(await refusalOf(source, { format: "csv" })).toEqual({
    code: "data-column-missing",
    detail: 'There is no column "text" with the texts or images; there are "review", "stars".',
  });
  const label = await data.file("label.jsonl", '{"text":"a","sentiment":1}\n');
  expect(await refusalOf(label, { format: "jsonl" })).toEqual({
    code: "data-column-missing",
    detail: 'There is no column "label" with the labels; there are "text", "sentiment".',
  });
  const inherited = await data.file("inherited.jsonl", '{"text":"a"}\n');
  expect(await refusalOf(inherited, { format: "jsonl", columns: { label: "constructor" } })).toMatchObject({
    code: "data-column-missing",
  });
});

test("a quote that is never closed is told by the row before it", async () => {
  const rows = Array.from({ length: 50 }, (_, index) => `text ${index},x\n`).join("");
  const source = await data.file("quote.csv", `text,label\nfirst,x\n"never closed,y\n${rows}`);
  expect(await refusalOf(source, { format: "csv" })).toEqual({
    code: "data-row-invalid",
    detail: "A quote that begins after row 1 is never closed.",
  });
});

test("a quote that is never closed in a large table is given up before it is all in memory", async () => {
  const source = await data.file("large-quote.csv", `text,label\n"never,y\n${"word,x\n".repeat(3_000_000)}`);
  expect(await refusalOf(source, { format: "csv" })).toEqual({
    code: "data-row-invalid",
    detail: "The row after the beginning has more than 16777216 bytes. Is a quote never closed?",
  });
});

const tooLarge: [string, string, string][] = [
  [
    "more fields than any table has",
    `a,x\n${",".repeat(10_000)}\nb,y\n`,
    "row after row 1 has more than 10000 fields",
  ],
  [
    "large fields, none of which is too large",
    `a,x\nb,y\n${`"${"word\n".repeat(2 ** 20)}",`.repeat(4)}x\n`,
    "row after row 2 has more than 16777216 bytes",
  ],
];
test.each(tooLarge)("a row of %s is given up", async (name, rows, detail) => {
  const source = await data.file(`${name}.csv`, `text,label\n${rows}`);
  expect(await refusalOf(source, { format: "csv" })).toEqual({
    code: "data-row-invalid",
    detail: `The ${detail}. Is a quote never closed?`,
  });
});

test("a large file of nothing but commas is given up before it is all in memory", async () => {
  const source = await data.file("commas.csv.gz", gzipSync(Buffer.alloc(60 * 2 ** 20, ",")));
  expect(await refusalOf(source, { format: "csv" })).toEqual({
    code: "data-row-invalid",
    detail: "The row after the beginning has more than 10000 fields. Is a quote never closed?",
  });
});

test("a row of as many fields as a table may have is read", async () => {
  const names = Array.from({ length: 9_998 }, (_, index) => `,n${index}`).join("");
  const csv = `text,label${names}\na,x${",".repeat(9_998)}\nb,y${",".repeat(9_998)}\n`;
  expect(await told("wide.csv", csv, {})).toEqual(["row 1: a → x", "row 2: b → y"]);
});

const faults: [string, string | Uint8Array, string, string][] = [
  [
    "a row with too few fields",
    "only one\n",
    "data-row-invalid",
    "has 1 fields, not 2; is one quoted wrongly?",
  ],
  ["a text that is not UTF-8", Buffer.from("caf\xe9,x\n", "latin1"), "data-encoding", "is not UTF-8"],
  ["a text with NUL", "a\0b,x\n", "data-encoding", "holds a NUL character"],
  [
    "a text of 10 MB",
    `${"word ".repeat(2 * 2 ** 20)},x\n`,
    "data-text-too-long",
    "is longer than 1048576 bytes",
  ],
  ["a row without a label", "text,\n", "data-label-invalid", 'its label is "", which is no name'],
];
test.each(faults)("%s is told by its row, or left out", async (name, row, code, message) => {
  const content = Buffer.concat(["text,label\na,x\n", row, "b,y\n"].map((each) => Buffer.from(each)));
  const source = await data.file(`${name}.csv`, content);
  const { report } = await readAll(source, { format: "csv" });
  expect(report.problems).toMatchObject([{ code, errors: [{ path: "row 2", message }] }]);
  const skipped = await readAll(source, { format: "csv", faulty: "skip", ...NO_DRAWS });
  expect(skipped.report).toMatchObject({ problems: [], faults: [{ code, count: 1 }] });
  expect(skipped.examples.map(({ id }) => id)).toEqual(["row 1", "row 3"]);
});

const lines: [string, string | Uint8Array, string][] = [
  ["no JSON", '{"text":"c","label":', "data-row-invalid"],
  ["no object", '["c","x"]', "data-row-invalid"],
  ["no text but a number", '{"text":7,"label":"x"}', "data-row-invalid"],
  ["an object as label", '{"text":"c","label":{"name":"x"}}', "data-label-invalid"],
  ["no label", '{"text":"c","label":null}', "data-label-invalid"],
  ["half a surrogate pair", '{"text":"\\ud800","label":"x"}', "data-encoding"],
  ["bytes that are not UTF-8", Buffer.from('{"text":"\xff","label":"x"}', "latin1"), "data-encoding"],
  ["a line of 17 MB", `{"text":"${"x".repeat(17 * 2 ** 20)}","label":"x"}`, "data-text-too-long"],
];
test.each(lines)("a line of JSONL with %s is told", async (name, line, code) => {
  const good = '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n';
  const source = await data.file(`${name}.jsonl`, Buffer.concat([Buffer.from(good), Buffer.from(line)]));
  expect(await refusalOf(source, { format: "jsonl" })).toMatchObject({ code });
});

const DEEP = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
const LONG = "x".repeat(1_000);
const untellable: [string, string, object, string][] = [
  ["a label nested deeper than the stack", `"label":${DEEP}`, {}, "its label is an object, which is no name"],
  [
    "labels nested deeper than the stack",
    `"label":["x",${DEEP}]`,
    { target: "labels" },
    "its labels are a list, not all names",
  ],
  [
    "a number nested deeper than the stack",
    `"label":[${DEEP}]`,
    { target: "number" },
    "its label is a list, which is no number",
  ],
  [
    "a split nested deeper than the stack",
    `"label":"x","split":${DEEP}`,
    {},
    "its split is an object, which is none",
  ],
  [
    "a label that is too long",
    `"label":"${LONG}"`,
    {},
    `its label is "${"x".repeat(60)}"…, which is no name`,
  ],
];
test.each(untellable)("%s is told by its row", async (name, members, reading, message) => {
  const source = await data.file(
    `${name}.jsonl`,
    `{"text":"a","label":1,"split":"train"}\n{"text":"b",${members}}\n{"text":"c","label":2,"split":"train"}\n`,
  );
  const { report } = await readAll(source, { format: "jsonl", ...reading });
  expect(report.problems).toMatchObject([{ errors: [{ path: "row 2", message }] }]);
});

test("a table that is no JSONL at all is told so", async () => {
  const source = await data.file("csv-as.jsonl", "text,label\na,x\n");
  expect(await refusalOf(source, { format: "jsonl" })).toMatchObject({ code: "data-row-invalid" });
});

test("a number that is none is told", async () => {
  const source = await data.file("number.csv", "text,label\na,1\nb,many\nc,0x10\nd,Infinity\n");
  const { report } = await readAll(source, { format: "csv", target: "number" });
  expect(report.faults).toMatchObject([{ code: "data-label-invalid", count: 3 }]);
});

test("a class whose rows are all without text, or can't be used, is told", async () => {
  const source = await data.file("empty class.csv", 'text,label\none,a\ntwo,b\n" ",c\nthr\0ee,d\n');
  const { report } = await readAll(source, { format: "csv", faulty: "skip", split: { test: 0 } });
  expect(report).toMatchObject({ examples: 2, emptyRows: 1 });
  expect(report.problems).toMatchObject([
    { code: "data-class-empty", detail: 'There are no examples of "c", "d".' },
  ]);
});

test("empty files, and tables of a line of names, hold no examples", async () => {
  for (const [name, content] of [
    ["empty.csv", ""],
    ["header.csv", "text,label\n"],
    ["blank.csv", "text,label\n,x\n  ,y\n"],
  ] as const)
    expect(await refusalOf(await data.file(name, content), { format: "csv" })).toMatchObject({
      code: "data-empty",
    });
});

test("lines are the same wherever the bytes are cut", async () => {
  const { readLines } = await import("./jsonl.ts");
  const text = "one\n\ntwo lines\nlonger than is taken\nlast";
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(text.length)), async (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const chunks = async function* () {
        for (let index = 1; index < places.length; index++)
          yield Buffer.from(text.slice(places[index - 1], places[index]));
      };
      const lines = await Array.fromAsync(readLines(chunks(), 12));
      expect(lines.map((line) => line?.toString())).toEqual(["one", "", "two lines", undefined, "last"]);
    }),
  );
});
