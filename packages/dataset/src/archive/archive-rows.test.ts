import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { readAll, refusalOf, TestData, tarOf, zipOf } from "../test-data.ts";

const data = new TestData();
afterAll(() => data[Symbol.asyncDispose]());

const NO_SPLIT = { format: "archive", split: { test: 0 } } as const;
const REVIEWS = {
  "films/good/1.txt": "A joy.",
  "films/good/2.txt": "Lovely, all of it.",
  "films/bad/1.txt": "A bore.",
  "films/bad/2.txt": "Two hours of my life.",
};

test("a folder, a tar, a tar in gzip and a zip of the same files hold the same examples", async () => {
  const sorted = Object.fromEntries(Object.entries(REVIEWS).sort(([a], [b]) => (a < b ? -1 : 1)));
  const tar = await tarOf(sorted);
  const sources = [
    await data.tree("tree", REVIEWS),
    await data.file("same.tar", tar),
    await data.file("same.tar.gz", gzipSync(tar)),
    await data.file("same.zip", zipOf(sorted)),
  ];
  for (const source of sources) {
    const { examples, plan, report } = await readAll(source, NO_SPLIT);
    expect(plan.classes).toEqual(["bad", "good"]);
    expect(report.problems).toEqual([]);
    expect(examples).toEqual([
      expected("films/bad/1.txt", "A bore.", 0),
      expected("films/bad/2.txt", "Two hours of my life.", 0),
      expected("films/good/1.txt", "A joy.", 1),
      expected("films/good/2.txt", "Lovely, all of it.", 1),
    ]);
  }
});

const expected = (id: string, text: string, index: number, split = "train") => ({
  id,
  split,
  content: { kind: "text", text },
  target: { kind: "class", class: index },
});

test("examples come in the order of the archive", async () => {
  const source = await data.file(
    "order.tar",
    await tarOf({ "b/2.txt": "b two", "a/1.txt": "a one", "b/1.txt": "b one" }),
  );
  const { examples } = await readAll(source, NO_SPLIT);
  expect(examples.map(({ id }) => id)).toEqual(["b/2.txt", "a/1.txt", "b/1.txt"]);
});

test("folders named as splits are splits, and other names for validation are understood", async () => {
  const source = await data.tree("splits", {
    "train/a/1.txt": "one",
    "train/b/1.txt": "two",
    "val/a/1.txt": "three",
    "test/b/1.txt": "four",
  });
  const { examples, report } = await readAll(source, { format: "archive" });
  expect(Object.fromEntries(examples.map(({ id, split }) => [id, split]))).toEqual({
    "train/a/1.txt": "train",
    "train/b/1.txt": "train",
    "val/a/1.txt": "validation",
    "test/b/1.txt": "test",
  });
  expect(report.splits.given).toEqual(["train", "validation", "test"]);
});

// Paths as in the archive of Maas et al., with lists and readmes at their places.
const IMDB = {
  "aclImdb/README": "Large Movie Review Dataset v1.0",
  "aclImdb/imdb.vocab": "the\nand\n",
  "aclImdb/imdbEr.txt": "0.049\n",
  "aclImdb/train/urls_pos.txt": "http://example.com/1\n",
  "aclImdb/train/labeledBow.feat": "9 0:9\n",
  "aclImdb/train/pos/0_9.txt": "Bromwell High is a cartoon comedy.",
  "aclImdb/train/pos/1_7.txt": "Homelessness, or as it is called.",
  "aclImdb/train/neg/0_3.txt": "Story of a man.",
  "aclImdb/train/unsup/0_0.txt": "I admit, the great majority of films.",
  "aclImdb/test/pos/0_10.txt": "I went and saw this movie last night.",
  "aclImdb/test/neg/0_2.txt": "Once again Mr. Costner.",
};

test("aclImdb is read by its polarity, without the reviews that have none and without its lists", async () => {
  const { examples, plan, report } = await readAll(await data.tree("imdb", IMDB), { format: "archive" });
  expect(plan.classes).toEqual(["neg", "pos"]);
  expect(report).toMatchObject({ examples: 5, otherFiles: 6, problems: [] });
  expect(report.splits.counts).toEqual({ train: 3, validation: 0, test: 2 });
  expect(examples.map(({ id }) => id)).not.toContain("aclImdb/train/unsup/0_0.txt");
});

test("aclImdb is read by its ratings, as classes or as numbers", async () => {
  const source = await data.tree("ratings", IMDB);
  const classes = await readAll(source, { format: "archive", label: "rating", faulty: "skip" });
  expect(classes.plan.classes).toEqual(["2", "3", "7", "9", "10"]);
  const numbers = await readAll(source, { format: "archive", label: "rating", target: "number" });
  expect(numbers.plan.classes).toEqual([]);
  expect(numbers.examples.map(({ target }) => target)).toEqual(
    [2, 10, 3, 9, 7].map((value) => ({ kind: "number", value })),
  );
  // By hand: 3, 9 and 7 have the mean 19/3 and the deviation √(56/9).
  expect(numbers.report.numbers).toEqual({
    least: 3,
    most: 9,
    mean: expect.closeTo(19 / 3, 12),
    deviation: expect.closeTo(Math.sqrt(56 / 9), 12),
  });
});

test("ratings are asked for in vain where there are none", async () => {
  const source = await data.tree("unrated", REVIEWS);
  expect(await refusalOf(source, { format: "archive", label: "rating" })).toMatchObject({
    code: "data-label-invalid",
  });
});

const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

test("images are taken by their names and their first bytes", async () => {
  const source = await data.tree("images", { "cats/1.png": PNG, "cats/2.PNG": PNG, "dogs/1.png": PNG });
  const { examples, report } = await readAll(source, NO_SPLIT);
  expect(report).toMatchObject({ kind: "image", examples: 3, problems: [] });
  expect(report.lengths).toEqual({ unit: "bytes", least: 16, median: 16, p95: 16, most: 16 });
  expect(examples[0]!.content).toEqual({ kind: "image", bytes: PNG });
});

test("what systems and editors leave behind is no data", async () => {
  const source = await data.file(
    "clutter.zip",
    zipOf({
      ...REVIEWS,
      "__MACOSX/films/good/._1.txt": "Mac OS X",
      "films/good/.DS_Store": "x",
      "films/bad/Thumbs.db": "x",
      ".git/a/b.txt": "x",
    }),
  );
  expect((await readAll(source, NO_SPLIT)).report).toMatchObject({ examples: 4, otherFiles: 0, faults: [] });
});

const layouts: [string, Record<string, string>, string][] = [
  ["classes in several folders", { "a/x/1.txt": "1", "b/y/1.txt": "2" }, "data-layout"],
  ["texts in no folder", { "1.txt": "1", "2.txt": "2" }, "data-layout"],
  ["splits in several folders", { "a/train/x/1.txt": "1", "b/train/y/1.txt": "2" }, "data-layout"],
  ["no text or image", { "a/1.pdf": "1", "b/1.pdf": "2" }, "data-empty"],
  ["an unknown file in a class", { "a/1.txt": "1", "a/2.pdf": "x", "b/1.txt": "2" }, "data-file-unknown"],
  ["one class", { "a/1.txt": "1", "a/2.txt": "2" }, "data-one-class"],
];
test.each(layouts)("%s: refused with its code", async (name, files, code) => {
  const source = await data.tree(`layout ${name}`, files);
  expect((await refusalOf(source, NO_SPLIT)).code).toBe(code);
});

test("texts and images are not mixed", async () => {
  const source = await data.tree("mixed", { "a/1.txt": "text", "b/1.png": PNG });
  expect(await refusalOf(source, NO_SPLIT)).toEqual({
    code: "data-mixed",
    detail: "There are 1 texts and 1 images; make a data set of each.",
  });
});

test("a file that is named as an image and is none is told by its path", async () => {
  const source = await data.tree("no image", { "a/1.png": PNG, "b/1.png": PNG, "b/2.jpg": "<html>" });
  const { report } = await readAll(source, NO_SPLIT);
  expect(report.problems[0]).toMatchObject({
    code: "data-image-invalid",
    errors: [{ path: "b/2.jpg", message: "is not a JPEG, PNG or WebP image" }],
  });
});

test("a class whose folder is empty, or holds only blanks, is told", async () => {
  const tar = await tarOf([
    { name: "a/1.txt", content: "one" },
    { name: "b/1.txt", content: "two" },
    { name: "c", type: "directory" },
    { name: "d/1.txt", content: " \n" },
  ]);
  const { report } = await readAll(await data.file("empty class.tar", tar), NO_SPLIT);
  expect(report.emptyRows).toBe(1);
  expect(report.problems).toMatchObject([
    { code: "data-class-empty", detail: 'There are no examples of "c", "d".' },
  ]);
});
