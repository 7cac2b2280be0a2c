import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-29T12:00:00.000Z";
const REVISION = "a".repeat(40);
const GRAPH = "graph";
const digest = `sha256:${createHash("sha256").update(GRAPH).digest("hex")}`;
const HEAD = "/v1/modules/acme/words/head";

const head = (more: object) => ({
  module: "acme/words",
  revision: REVISION,
  state: "published",
  version: 3,
  fileCount: 2,
  bytes: 2_048,
  files: [],
  ...more,
});
const waiting = head({ state: "waiting", version: undefined, publishAt: AT });
const commitBody = (operations: object[], more: object = {}) =>
  JSON.stringify({ parent: REVISION, operations, ...more });

let hub: AnsweringHub;
let folder: string;
beforeAll(async () => {
  hub = await AnsweringHub.start({
    [`GET ${HEAD}`]: head({}),
    [`DELETE ${HEAD}`]: head({}),
    [`POST ${HEAD}/commits ${commitBody([{ kind: "put", path: "model.onnx", size: 5, digest }], { message: "New" })}`]:
      waiting,
    [`POST ${HEAD}/commits ${commitBody([
      { kind: "delete-folder", path: "onnx" },
      { kind: "delete", path: "b.txt" },
    ])}`]: head({ state: "incomplete", version: undefined }),
    [`POST ${HEAD}/publish {"version":4,"aliases":["stable"]}`]: head({}),
    [`POST ${HEAD}/publish {"aliases":["next","stable"]}`]: head({}),
    [`GET ${HEAD}/commits?limit=100`]: {
      items: [
        { revision: REVISION, parent: "b".repeat(40), createdAt: AT, author: "ada", message: "New" },
        { revision: "b".repeat(40), parent: "c".repeat(40), createdAt: AT, version: 3, documentation: 1 },
      ],
    },
    "GET /v1/modules/acme/broken/head": head({
      state: "rejected",
      version: undefined,
      problems: [{ type: "x", title: "No.", status: 422, code: "graph-invalid" }],
    }),
  });
  folder = await mkdtemp(join(tmpdir(), "modulehub-head-"));
  await writeFile(join(folder, "model.onnx"), GRAPH);
});
beforeEach(() => hub.forget());
afterAll(async () => {
  await rm(folder, { recursive: true });
  await hub[Symbol.asyncDispose]();
});

const run = (...args: string[]) =>
  runBin(["head", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });
const line = (state: string) => `acme/words  ${REVISION}  ${state}\n  2 files, 2.0 kB\n`;

test("show says where the head is, and why it was refused", async () => {
  expect(await run("show", "acme/words")).toMatchObject({ code: 0, stdout: line("is version 3") });
  const refused = await run("show", "acme/broken");
  expect(refused.stdout).toBe(line("rejected"));
  expect(refused.stderr).toContain("code graph-invalid");
});

test("commit puts a folder's files, or deletes what is named", async () => {
  const put = await run("commit", "acme/words", folder, "-m", "New");
  expect(put).toEqual({
    code: 0,
    stdout: line("is published at 2026-11-29 12:00, or by modulehub head publish"),
    stderr: "",
  });
  const deleted = await run("commit", "acme/words", "--delete", "onnx/", "--delete", "b.txt");
  expect(deleted.stdout).toBe(line("has no .onnx file yet, so it stays a head"));
});

test("publish takes a number and aliases; discard throws commits away", async () => {
  expect(await run("publish", "acme/words/4", "--alias", "stable")).toMatchObject({
    code: 0,
    stdout: line("is version 3"),
  });
  expect(await run("publish", "acme/words@next", "--alias", "stable")).toMatchObject({ code: 0 });
  expect((await run("discard", "acme/words")).stdout).toBe(line("is version 3"));
});

test("log lists commits with the version that each is", async () => {
  expect((await run("log", "acme/words")).stdout).toBe(
    "aaaaaaaaaaaa\t2026-11-29 12:00\tada\t\tNew\nbbbbbbbbbbbb\t2026-11-29 12:00\t\t3\t\n",
  );
});

test.each([
  [["commit", "acme/words"], 2, "Name a folder or a file to put, or what to --delete."],
  [["commit", "acme/words", "--mirror", "--delete", "a"], 2, "--mirror goes with a folder."],
  [["commit", "acme/words", "/no/such"], 1, "can't be read. Name a folder or a file."],
  [["publish", `acme/words@${digest}`], 1, "code invalid-handle"],
])("head %j is refused with %i", async (args, code, said) => {
  const result = await run(...args);
  expect(result.stderr).toContain(said);
  expect(result.code).toBe(code);
});
