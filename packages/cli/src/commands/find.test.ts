import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

let hub: AnsweringHub;

const DIGEST = `sha256:${"ab".repeat(32)}`;
// The tests' processes run in UTC.
const AT = "2026-11-23T12:00:00.000Z";

const found = (module: string, version?: number) => ({
  module,
  publisher: module.split("/")[0],
  visibility: "public",
  createdAt: AT,
  ...(version && { latest: { version, digest: DIGEST, task: "text-embedding", publishedAt: AT, size: 9 } }),
  ...(version && { title: "Words" }),
});
const yanked = { reason: "Wrong\u001b[2J labels.", at: AT };
const version = {
  handle: "acme/words/2",
  module: "acme/words",
  version: 2,
  digest: DIGEST,
  url: "https://hub.example/acme/words/2",
  publishedAt: AT,
  yanked,
  manifest: {
    schemaVersion: 1,
    task: "text-embedding",
    signatures: {
      default: {
        inputs: { text: { dtype: "string", shape: ["batch"] } },
        outputs: { vectors: { dtype: "float32", shape: ["batch", 3] } },
      },
    },
  },
  files: [
    { path: "model.onnx", size: 2_500_000, digest: DIGEST, role: "graph" },
    { path: "module.json", size: 312, digest: DIGEST, role: "asset" },
  ],
};

const ANSWERS: Record<string, Answer> = {
  "GET /v1/modules?limit=51": { items: [found("acme/words", 2)], next: "n1" },
  "GET /v1/modules?limit=51&cursor=n1": { items: [found("acme/empty")] },
  "GET /v1/modules?limit=2": { items: [found("acme/words", 2), found("acme/empty")] },
  "GET /v1/modules?publisher=nobody&limit=51": { items: [] },
  "GET /v1/modules?publisher=acme&publisher=other&license=mit&sort=recent&q=two+words&limit=51": {
    items: [found("acme/words", 2)],
  },
  "GET /v1/modules/acme/words/versions?limit=100": {
    items: [{ version: 2, digest: DIGEST, publishedAt: AT, yanked }],
    next: "n1",
  },
  "GET /v1/modules/acme/words/versions?cursor=n1&limit=100": {
    items: [{ version: 1, digest: DIGEST, publishedAt: AT }],
  },
  "GET /v1/modules/acme/words/versions/2": version,
  "GET /v1/modules/acme/words/versions/2/documentation": {
    revision: 1,
    createdAt: AT,
    module: "acme/words",
    version: 2,
    current: 1,
    card: { title: "English\nwords", license: "mit", languages: [], datasets: [], baseModels: [], tags: [] },
    files: [],
  },
  "GET /v1/resolve?handle=acme%2Fwords%2F2": {
    ...version,
    files: [{ path: "model.onnx", size: 9, digest: DIGEST, url: "https://hub.example/f/model.onnx" }],
  },
  "GET /v1/modules/acme/words/aliases?limit=100": {
    items: [
      { alias: "beta", version: 1, digest: DIGEST, updatedAt: AT },
      { alias: "stable", version: 2, digest: DIGEST, updatedAt: AT },
    ],
  },
};

beforeAll(async () => {
  hub = await AnsweringHub.start(ANSWERS);
});
beforeEach(() => hub.forget());
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  runBin(args, { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });

test("list prints a line a module, fields parted by tabs, over all pages", async () => {
  expect(await run("list")).toEqual({
    code: 0,
    stdout: "acme/words\t2\ttext-embedding\t2026-11-23 12:00\tWords\nacme/empty\t\t\t\t\n",
    stderr: "",
  });
});

test("search takes words and the API's filters, several of one among them", async () => {
  const line = "search two words --publisher acme --publisher other --license mit --sort recent";
  const { code, stdout } = await run(...line.split(" "));
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: "acme/words\t2\ttext-embedding\t2026-11-23 12:00\tWords\n",
  });
  const wrong = await run("search", "x", "--sort", "colour");
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("Allowed choices are relevance, name, recent, size.");
});

test("list stops at the limit, and says that there is more", async () => {
  const { stdout, stderr } = await run("list", "--limit", "1");
  expect(stdout.split("\t")[0]).toBe("acme/words");
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toBe("These are the first 1. More: --limit N, or --all.\n");
  const { items, more } = JSON.parse((await run("list", "--limit", "1", "--json")).stdout);
  expect({ items, more }).toEqual({ items: [found("acme/words", 2)], more: true });
});

test("a list without items says so, and prints nothing", async () => {
  expect(await run("list", "--publisher", "nobody")).toEqual({
    code: 0,
    stdout: "",
    stderr: "There is no such module.\n",
  });
});

test("versions prints each with its handle, and what is withdrawn with its reason made harmless", async () => {
  expect((await run("versions", "acme/words")).stdout).toBe(
    [
      `acme/words/2\t2026-11-23 12:00\t${DIGEST}\tyanked: Wrong [2J labels.`,
      `acme/words/1\t2026-11-23 12:00\t${DIGEST}\t`,
      "",
    ].join("\n"),
  );
  expect((await run("versions", "acme/words/2")).code).toBe(2);
});

test("show prints task, inputs, outputs, aliases and files", async () => {
  expect((await run("show", "acme/words/2")).stdout).toBe(
    [
      "acme/words/2",
      "  yanked     2026-11-23 12:00: Wrong [2J labels.",
      "  title      English words",
      "  task       text-embedding",
      "  license    mit",
      "  published  2026-11-23 12:00",
      "  aliases    stable",
      `  digest     ${DIGEST}`,
      "  page       https://hub.example/acme/words/2",
      "signature default",
      "  in  text: string [batch]",
      "  out vectors: float32 [batch, 3]",
      "2 files, 2.5 MB",
      "     2.5 MB  graph    model.onnx",
      "  312 bytes  asset    module.json",
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await run("show", "acme/words/2", "--json")).stdout)).toEqual(version);
});

test("resolve warns of a version that was withdrawn, and prints it nevertheless", async () => {
  expect(await run("resolve", "acme/words/2")).toEqual({
    code: 0,
    stdout: [
      "acme/words/2",
      `  ${DIGEST}`,
      "  https://hub.example/acme/words/2",
      "  model.onnx  9 bytes  https://hub.example/f/model.onnx",
      "",
    ].join("\n"),
    stderr: "Warning: acme/words/2 was yanked 2026-11-23 12:00: Wrong [2J labels.\n",
  });
});

test("a limit that is no number is a matter of usage", async () => {
  const { code, stderr } = await run("list", "--limit", "0");
  expect(code).toBe(2);
  expect(stderr).toContain("--limit takes a number from 1 up, not 0.");
  expect(hub.asked).toEqual([]);
});
