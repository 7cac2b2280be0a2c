import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const README = Buffer.from("# Words\n");
const LICENSE = Buffer.from("MIT\n");
const EDITED = Buffer.from("# More words\n");

const digest = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const file = (path: string, bytes: Uint8Array) => ({
  path,
  size: bytes.length,
  digest: digest(bytes),
  url: `/files/${path}`,
});
const documentation = (revision: number) => ({
  revision,
  createdAt: AT,
  module: "acme/words",
  version: 3,
  current: revision,
  card: { languages: [], datasets: [], baseModels: [], tags: [] },
  files: [file("LICENSE", LICENSE), file("README.md", README)],
});
const listed = (path: string, bytes: Uint8Array) => ({ path, size: bytes.length, digest: digest(bytes) });
const DOCUMENTATION = "/v1/modules/acme/words/versions/3/documentation";
const put = (base: number) =>
  `PUT ${DOCUMENTATION} ${JSON.stringify({ base, files: [listed("LICENSE", LICENSE), listed("README.md", EDITED)], message: "More." })}`;

let hub: AnsweringHub;
let folder: string;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    [`GET ${DOCUMENTATION}`]: documentation(1),
    "GET /files/README.md": README,
    "GET /files/LICENSE": LICENSE,
    [put(1)]: documentation(2),
    [put(0)]: "documentation-conflict",
    [`GET ${DOCUMENTATION}/revisions?limit=100`]: {
      items: [
        {
          revision: 1,
          createdAt: AT,
          by: "ada",
          message: "More.",
          changes: { count: 1, first: [{ path: "README.md", change: "changed" }] },
        },
      ],
    },
  });
  folder = await mkdtemp(join(tmpdir(), "modulehub-docs-"));
  await writeFile(join(folder, "new.md"), EDITED);
});
beforeEach(() => hub.forget());
afterAll(async () => {
  await rm(folder, { recursive: true });
  await hub[Symbol.asyncDispose]();
});

const run = (...args: string[]) =>
  runBin(["docs", "acme/words/3", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });

test("docs prints the README, and what else there is beside it", async () => {
  expect(await run()).toEqual({ code: 0, stdout: "# Words\n", stderr: "  LICENSE  4 bytes\n" });
});

test("a README takes the place of the one before; the other files stay", async () => {
  expect(await run("--set", join(folder, "new.md"), "--message", "More.")).toEqual({
    code: 0,
    stdout: "acme/words/3 has revision 2 of its documentation\n",
    stderr: "",
  });
});

test("an edit of an old revision is refused", async () => {
  const { code, stderr } = await run("--set", join(folder, "new.md"), "--message", "More.", "--base", "0");
  expect(code).toBe(1);
  expect(stderr).toContain("code documentation-conflict");
});

test("the history says who changed what", async () => {
  expect((await run("--history")).stdout).toBe("1\t2026-11-23 12:00\tada\tMore.\tREADME.md\n");
});

test.each([
  [["--set", "/no/such/file"], 1, "can't be read. Name a README or a folder."],
  [["--history", "--revision", "1"], 2, "Either --set, --history or --revision"],
  [["--message", "x"], 2, "go with --set"],
])("docs %j is refused with %i", async (args, code, said) => {
  const result = await run(...args);
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(said);
});
