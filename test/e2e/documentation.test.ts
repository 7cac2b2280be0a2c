import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, ROOT, type RunningHub, startHub } from "./hub.ts";

/**
 * Every command in README.md and docs/ is run, as it stands, on a hub that npm start started. Only the
 * hub's address is put in. Blocks marked `sh start` are what this suite and CI themselves do.
 */

let hub: RunningHub;
let folder: string;
beforeAll(async () => {
  hub = await startHub();
  // A folder to write into, in which the repository's own files are found.
  folder = mkdtempSync(join(tmpdir(), "modulehub-docs-"));
  for (const name of readdirSync(ROOT))
    if (!name.startsWith(".git")) symlinkSync(join(ROOT, name), join(folder, name));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cleanUp();
});

interface Block {
  page: string;
  info: string;
  text: string;
}

const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    // The tutorial has a test of its own, in an empty folder: test/client/tutorial.test.ts.
    .filter((name) => name.endsWith(".md") && name !== "tutorial.md")
    .map((name) => `docs/${name}`),
];

const BLOCKS: Block[] = PAGES.flatMap((page) =>
  [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(
    ([, info = "", text = ""]) => ({
      page,
      info: info.trim(),
      text,
    }),
  ),
);

const COMMANDS = BLOCKS.filter(({ info }) => info === "sh");

test("the pages hold commands to run", () => {
  expect(COMMANDS.length).toBeGreaterThanOrEqual(8);
});

test("no block is in a language that nothing here runs or checks", () => {
  const known = new Set(["sh", "sh start", "", "json", "jsonc"]);
  expect(BLOCKS.filter(({ info }) => !known.has(info))).toEqual([]);
});

test("README's own two commands are those that CI runs", () => {
  const starts = BLOCKS.filter(({ info }) => info === "sh start").map(({ text }) => text.trim());
  expect(starts).toEqual(["npm ci && npm start", "npm ci && npm test"]);
});

for (const [index, { page, text }] of COMMANDS.entries())
  test(`${page}: command block ${index} runs`, () => {
    const script = text
      .replaceAll("localhost:8080", hub.url.replace("http://", ""))
      .replaceAll("curl -s", "curl -sS --fail-with-body");
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token },
    });
    expect(status, `${script}\n${stdout}\n${stderr}`).toBe(0);
    expect(stdout.trim()).not.toBe("");
  });

test("the manifests shown fit the schema", async () => {
  const { manifestSchema } = await import("@modulehub/core");
  const shown = BLOCKS.filter(({ info, text }) => info === "jsonc" && text.includes("schemaVersion"));
  expect(shown.length).toBeGreaterThan(0);
  for (const { text } of shown) expect(() => manifestSchema.parse(JSON.parse(text))).not.toThrow();
});
