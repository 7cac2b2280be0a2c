import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

interface Listed {
  module: string;
  title?: string;
  description?: string;
  latest?: { version: number };
}
interface ListBody {
  items: Listed[];
  next?: string;
  capped?: boolean;
  facets?: {
    counted: number;
    approximate: boolean;
    values: Record<string, { value: string; count: number }[]>;
  };
  code?: string;
}

let hub: TestHub;

/** A module's files: what its card says, and the dtypes of its inputs and outputs. */
function filesOf(
  card: string,
  said: { task?: string; inputs?: Record<string, string>; outputs?: Record<string, string> } = {},
): Record<string, string> {
  const { task = "text-embedding", inputs = { text: "string" }, outputs = { default: "float32" } } = said;
  const specs = (dtypes: Record<string, string>) =>
    Object.fromEntries(Object.entries(dtypes).map(([name, dtype]) => [name, { dtype, shape: ["batch"] }]));
  const signatures = { default: { inputs: specs(inputs), outputs: specs(outputs) } };
  return {
    "module.json": JSON.stringify({ schemaVersion: 1, task, signatures }),
    "model.onnx": `graph of ${card}`,
    "README.md": card,
  };
}

const MINILM = "sentence/sentence-transformers/all-MiniLM-L6-v2";
const NET = "vision/imagenet/efficientnet-lite0";
const GERMAN = "words/nnlm-de";
const TAGGER = "words/tagger";
const PUBLIC = [MINILM, NET, GERMAN, TAGGER];

beforeAll(async () => {
  hub = await startTestHub();
  for (const id of ["sentence", "vision", "words", "secrets"])
    await ask(hub, "POST", "/v1/publishers", { id });
  const open = { visibility: "public" };
  await publish(
    hub,
    GERMAN,
    filesOf(
      "---\ntitle: Deutsche Wörter\nlicense: MIT\nlanguage: de\n---\nVectors of words, after word2vec.",
    ),
    open,
  );
  await publish(
    hub,
    MINILM,
    filesOf(
      "---\nlicense: apache-2.0\nlanguage: [en]\ntags: [sentence-similarity]\n---\n# MiniLM\n\nMaps *sentences* to 384 numbers.\n\nTrained on paraphrases.",
      { outputs: { default: "float32", tokens: "int64" } },
    ),
    open,
  );
  await publish(
    hub,
    NET,
    filesOf(
      "---\nlicense: apache-2.0\ntags: [vision]\n---\nTells 1,000 kinds of things apart. Not for words.",
      {
        task: "image-classification",
        inputs: { pixels: "uint8" },
        outputs: { scores: "float16" },
      },
    ),
    open,
  );
  await publish(
    hub,
    TAGGER,
    filesOf("---\nlicense: mit\nlanguage: [de, en]\n---\nMarks 名前 in sentences.", {
      task: "token-classification",
      inputs: { "input:0": "int64" },
      outputs: { default: "float32" },
    }),
    open,
  );
  await publish(
    hub,
    "secrets/hidden-words",
    filesOf("---\nlicense: hush\nlanguage: tlh\ntags: [classified]\n---\nHushed words.", {
      task: "secret-task",
    }),
  );
}, 60_000);
afterAll(() => hub.close());

const list = (query: string, headers: Record<string, string> = {}) =>
  ask<ListBody>(hub, "GET", `/v1/modules${query}`, undefined, headers);
const names = async (query: string, headers: Record<string, string> = {}) => {
  const { status, body } = await list(query, headers);
  expect(status, `${query}: ${JSON.stringify(body)}`).toBe(200);
  return body.items.map(({ module }) => module);
};

test("a classifier is found by what it tells apart, of a thousand classes too", async () => {
  const labels = Array.from({ length: 1_000 }, (_, index) => `kind ${index}, Felis index${index}`);
  const classifier = {
    schemaVersion: 1,
    task: "image-classification",
    signatures: {
      default: {
        inputs: { image: { dtype: "image", shape: ["batch"] } },
        outputs: { "top.labels": { dtype: "string", shape: ["batch", "k"] } },
        steps: [
          {
            image: {
              from: "image",
              resize: { shorter: 8 },
              crop: { width: 8, height: 8 },
              layout: "NCHW",
              as: "pixels",
            },
          },
          { run: { graph: "model.onnx", inputs: { x: "pixels" }, outputs: { y: "logits" } } },
          { labels: { from: "logits", labels: "labels.txt", as: "top" } },
        ],
      },
    },
  };
  expect(
    await publish(hub, "secrets/classifier", {
      ...filesOf("# Cats"),
      "module.json": JSON.stringify(classifier),
      "labels.txt": labels.join("\n"),
    }),
  ).toMatchObject({ state: "published" });
  expect(await names("?q=index999", hub.admin)).toEqual(["secrets/classifier"]);
  expect(await names("?q=index999")).toEqual([]);
  await ask(hub, "DELETE", "/v1/modules/secrets/classifier");
});

test.each([
  ["task=text-embedding", [MINILM, GERMAN]],
  ["task=TEXT-Embedding", [MINILM, GERMAN]],
  ["task=text-embedding&task=token-classification", [MINILM, GERMAN, TAGGER]],
  ["publisher=words", [GERMAN, TAGGER]],
  ["publisher=words&publisher=vision", [NET, GERMAN, TAGGER]],
  ["dtype=int64", [MINILM, TAGGER]],
  ["dtype=uint8", [NET]],
  ["dtype=image", []],
  ["dtype=Float16", [NET]],
  ["input=text", [MINILM, GERMAN]],
  ["input=string", [MINILM, GERMAN]],
  ["input=text:string", [MINILM, GERMAN]],
  ["input=text:int64", []],
  ["input=input:0", [TAGGER]],
  ["output=int64", [MINILM]],
  ["output=default:float32", [MINILM, GERMAN, TAGGER]],
  ["license=mit", [GERMAN, TAGGER]],
  ["license=mit&license=apache-2.0", PUBLIC],
  ["language=en", [MINILM, TAGGER]],
  ["language=de&language=en", [MINILM, GERMAN, TAGGER]],
  ["tag=sentence-similarity", [MINILM]],
  ["license=mit&language=en", [TAGGER]],
  ["license=mit&language=en&task=text-embedding", []],
  ["task=&license=&q=&sort=&input=", PUBLIC],
  ["license=nothing", []],
])("modules are found by filters: %s", async (query, expected) => {
  expect(await names(`?${query}`)).toEqual([...expected].sort());
});

test.each([
  ["minilm", [MINILM]],
  ["MiniLM l6", [MINILM]],
  ["sentence-transformers/all-MiniLM-L6-v2", [MINILM]],
  [MINILM, [MINILM]],
  ["paraphr", [MINILM]],
  ["efficientnet", [NET]],
  ["worter", [GERMAN]],
  ["Wörter", [GERMAN]],
  ["WORT", [GERMAN]],
  ["ort", []],
  ["WO", []],
  ["word2vec", [GERMAN]],
  ["前", [TAGGER]],
  ["名前", [TAGGER]],
  ["sentences -tokens", []],
  ["'minilm' | \"nothing\"", []],
  ["minilm & l6:* !v2", [MINILM]],
  ["%", []],
  ["_", []],
  ["'", []],
  ["\\", []],
  ["😀", []],
])("modules are found by the words of their texts: %s", async (q, expected) => {
  expect(await names(`?q=${encodeURIComponent(q)}`)).toEqual(expected);
});

test("the very name comes first, then words in names, tags, descriptions and the rest of READMEs", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "rank" });
  const modules = [
    ["rank/e", "One.\n\nMore of the zebra."],
    ["rank/zebra", "One."],
    ["rank/d", "A zebra."],
    ["rank/zebra-of-zebra-by-zebra", "The zebra of zebra."],
    ["rank/c", "---\ntags: [zebra]\n---\nOne."],
    ["rank/b", "---\ntitle: Zebra\n---\nOne."],
  ] as const;
  for (const [name, readme] of modules) await publish(hub, name, filesOf(readme));
  const found = await names("?q=Zebra", hub.admin);
  expect(found[0]).toBe("rank/zebra");
  expect(found.filter((name) => !name.includes("zebra"))).toEqual(["rank/b", "rank/c", "rank/d", "rank/e"]);
  expect(found.slice(0, 3).sort()).toEqual(["rank/b", "rank/zebra", "rank/zebra-of-zebra-by-zebra"]);
  expect((await names("?q=rank%2Fzebra", hub.admin))[0]).toBe("rank/zebra");
});

test("words and filters narrow each other, and words can be sorted otherwise", async () => {
  expect(await names("?q=sentences&language=de")).toEqual([TAGGER]);
  expect(await names("?q=words&sort=name")).toEqual([NET, GERMAN, TAGGER]);
});

test("lists are sorted by name, by when the latest version came, and by size", async () => {
  expect(await names("?sort=name")).toEqual([...PUBLIC].sort());
  expect(await names("?sort=recent")).toEqual([TAGGER, NET, MINILM, GERMAN]);
  const { body } = await ask<{ items: { latest: { size: number } }[] }>(hub, "GET", "/v1/modules?sort=size");
  const sizes = body.items.flatMap(({ latest }) => latest.size);
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
});

test("what a card says is in lists and in the module's own answer", async () => {
  const { body } = await list("?q=minilm");
  expect(body.items).toEqual([
    {
      module: MINILM,
      publisher: "sentence",
      visibility: "public",
      createdAt: expect.any(String),
      description: "Maps sentences to 384 numbers.",
      license: "apache-2.0",
      languages: ["en"],
      tags: ["sentence-similarity"],
      datasets: [],
      baseModels: [],
      dtypes: ["float32", "int64", "string"],
      latest: {
        version: 1,
        digest: expect.stringMatching(/^sha256:/),
        task: "text-embedding",
        publishedAt: expect.any(String),
        size: expect.any(Number),
      },
    },
  ]);
  expect((await ask(hub, "GET", `/v1/modules/${MINILM}`)).body).toEqual(body.items[0]);
});

test("pages follow each other without gaps or doubles in every order, whatever comes between", async () => {
  for (const [index, sort] of ["name", "recent", "size", "relevance"].entries()) {
    const order = `?sort=${sort}&limit=1${sort === "relevance" ? "&q=sentences" : ""}`;
    const before = await names(order.replace("limit=1", "limit=100"), hub.admin);
    const first = await list(order, hub.admin);
    // Sorted before the first, or after the last, of what is listed: neither may move the rest.
    await publish(hub, `words/aaa-${index}`, filesOf(`Sentences of ${sort}.`), { visibility: "public" });
    const seen = first.body.items.map(({ module }) => module);
    for (let { next } = first.body; next !== undefined; ) {
      const page = await list(`${order}&cursor=${next}`, hub.admin);
      expect(page.status).toBe(200);
      seen.push(...page.body.items.map(({ module }) => module));
      next = page.body.next;
    }
    expect(new Set(seen).size, sort).toBe(seen.length);
    expect(
      seen.filter((name) => before.includes(name)),
      sort,
    ).toEqual(before);
  }
});

test("a cursor of another list, or one that was tampered with, is refused", async () => {
  const { body } = await list("?limit=1&license=mit");
  const { next = "" } = body;
  const position = JSON.parse(Buffer.from(next, "base64url").toString()) as unknown[];
  const made = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
  const [ofList] = position;
  expect(await names(`?limit=9&license=MIT&cursor=${next}`)).not.toEqual([]);
  for (const query of [
    `license=apache-2.0&cursor=${next}`,
    `license=mit&q=words&cursor=${next}`,
    `license=mit&sort=recent&cursor=${next}`,
    `license=mit&language=en&cursor=${next}`,
    `cursor=${next}`,
    `license=mit&cursor=${next.slice(0, -3)}`,
    `license=mit&cursor=${made(ofList)}`,
    `license=mit&cursor=${made(ofList, 3, "a")}`,
    `license=mit&cursor=${made(ofList, "", "a\0")}`,
    `license=mit&cursor=${made(ofList, "", "\ud800")}`,
    `license=mit&cursor=${made(ofList, "", "a", "b")}`,
    "cursor=%27",
  ]) {
    const answer = await list(`?${query}`);
    expect(answer, query).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  }
  const page = await list("?sort=recent&limit=1");
  const [recent] = JSON.parse(Buffer.from(page.body.next ?? "", "base64url").toString()) as unknown[];
  for (const time of ["2026-02-30T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "infinity", 5])
    expect((await list(`?sort=recent&cursor=${made(recent, time, "a")}`)).status).toBe(400);
});

test.each([
  "sort=best",
  "sort=relevance",
  "licence=mit",
  "dtype=float33",
  "limit=0",
  "limit=1001",
  "facets=maybe",
  "q=%00",
  "task=%00",
  `q=${"a".repeat(201)}`,
  `task=${"a".repeat(201)}`,
  Array.from({ length: 21 }, (_, index) => `tag=t${index}`).join("&"),
])("a list that can't be is refused: %s", async (query) => {
  expect(await list(`?${query}`)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
});

test("twenty values of a filter, two hundred letters and words of every script are answered", async () => {
  const many = Array.from({ length: 19 }, (_, index) => `tag=t${index}`).join("&");
  expect(await names(`?${many}&tag=vision`)).toEqual([NET]);
  for (const q of [
    "a ".repeat(100),
    "a".repeat(200),
    "слова",
    "शब्द",
    "คำ",
    "'; DROP TABLE listing; --",
    "') OR 1=1",
    "a:*&(",
    "\u0301",
    "ﬁ",
  ])
    expect(await names(`?q=${encodeURIComponent(q)}`), q).toEqual([]);
  expect(await names("?license=mit'%20OR%20'1'='1")).toEqual([]);
});

test("private modules are found by those who may see them, and by nobody else in any way", async () => {
  const hidden = ["secrets/hidden-words"];
  const reader = await hub.tokenOf("reader", "secrets");
  const stranger = await hub.tokenOf("owner", "words");
  for (const query of [
    "?q=hushed",
    "?tag=classified",
    "?license=hush",
    "?publisher=secrets",
    "?q=hidden-words",
  ])
    for (const [headers, expected] of [
      [reader, hidden],
      [hub.admin, hidden],
      [stranger, []],
      [{}, []],
    ] as const) {
      const { body } = await list(`${query}&facets=true`, headers);
      expect(
        body.items.map(({ module }) => module),
        query,
      ).toEqual(expected);
      expect(body.facets?.counted).toBe(expected.length);
    }
  const seen = await list("?facets=true&limit=1000");
  expect(JSON.stringify(seen.body)).not.toMatch(/secret|hush|tlh/);
  expect(JSON.stringify((await list("?facets=true", reader)).body.facets)).toMatch(/hush/);
});

test("facets count the modules that fit, by value", async () => {
  const { body } = await list("?facets=true&license=apache-2.0&limit=1");
  expect(body.facets).toEqual({
    counted: 2,
    approximate: false,
    values: {
      task: [
        { value: "image-classification", count: 1 },
        { value: "text-embedding", count: 1 },
      ],
      license: [{ value: "apache-2.0", count: 2 }],
      language: [{ value: "en", count: 1 }],
      dtype: [
        { value: "float16", count: 1 },
        { value: "float32", count: 1 },
        { value: "int64", count: 1 },
        { value: "string", count: 1 },
        { value: "uint8", count: 1 },
      ],
      publisher: [
        { value: "sentence", count: 1 },
        { value: "vision", count: 1 },
      ],
    },
  });
  expect((await list("?facets=true&q=%25")).body.facets).toMatchObject({ counted: 0 });
});

test("when the latest version is yanked, lists show and find the one before, and none after the last", async () => {
  const NAME = "words/changing";
  const open = { visibility: "public" };
  await publish(hub, NAME, filesOf("---\ntitle: Firstling\nlicense: one\n---\nAlpha."), open);
  await publish(hub, NAME, filesOf("---\ntitle: Secondling\nlicense: two\n---\nBeta."));
  const found = async (query: string, headers = {}) => (await list(query, headers)).body.items[0]?.title;
  const yank = (version: number, method = "POST") =>
    ask(
      hub,
      method,
      `/v1/modules/${NAME}/versions/${version}/yank`,
      method === "POST" ? { reason: "Wrong." } : undefined,
    );
  expect([await found("?q=beta"), await found("?q=alpha")]).toEqual(["Secondling", undefined]);
  await yank(2);
  expect([await found("?q=beta"), await found("?q=alpha"), await found("?license=one")]).toEqual([
    undefined,
    "Firstling",
    "Firstling",
  ]);
  await yank(1);
  expect(await names("?q=changing")).toEqual([]);
  expect(await names("?q=changing", hub.admin)).toEqual([NAME]);
  await yank(2, "DELETE");
  expect(await found("?q=beta")).toBe("Secondling");
});

test("versions published and yanked at the same time leave the row of the latest", async () => {
  const NAME = "words/race";
  await publish(hub, NAME, filesOf("---\ntitle: T1\n---\n1"), { visibility: "public" });
  await Promise.all([
    ...[2, 3, 4].map((number) =>
      publish(hub, NAME, filesOf(`---\ntitle: T${number}\n---\n${number}`), { version: number }),
    ),
    ...[1, 2, 3].map((number) =>
      ask(hub, "POST", `/v1/modules/${NAME}/versions/${number}/yank`, { reason: "Wrong." }),
    ),
  ]);
  const { body } = await list("?q=race");
  expect(body.items).toMatchObject([{ module: NAME, title: "T4", latest: { version: 4 } }]);
});

test("a module without a version is in the lists of those who may see it", async () => {
  const files = ["module.json", "model.onnx"].map((path, index) => ({
    path,
    size: 2,
    digest: `sha256:${String(index).repeat(64)}`,
  }));
  const opened = await ask(hub, "POST", "/v1/modules/words/begun/drafts", { files, visibility: "public" });
  expect(opened.status).toBe(201);
  expect(await names("?q=begun")).toEqual([]);
  expect(await names("?q=begun", await hub.tokenOf("reader", "words"))).toEqual(["words/begun"]);
});
