import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goodModule } from "../fixtures/hostile-modules.ts";
import { call, cleanUp, ROOT, type RunningHub, startHub } from "./hub.ts";
import { publishFiles } from "./publish-files.ts";

/**
 * Every command in README.md and docs/ is run, as it stands, on a hub that npm start started. Only the
 * hub's address is put in. Blocks marked `sh start` are what this suite and CI themselves do. Blocks of TypeScript are
 * run as well, with a `hub`, a module acme/words and a folder of that name to work on.
 */

let hub: RunningHub;
const folders = new Map<string, string>();
beforeAll(async () => {
  hub = await startHub();
});
afterAll(async () => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
  await cleanUp();
});

/** Where a page's reader is: a folder to write into, in which the repository's own files are found. */
function folderOf(page: string): string {
  const known = folders.get(page);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "modulehub-docs-"));
  folders.set(page, folder);
  for (const name of readdirSync(ROOT))
    if (!name.startsWith(".git")) symlinkSync(join(ROOT, name), join(folder, name));
  return folder;
}

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
  const known = new Set(["sh", "sh start", "ts", "", "json", "jsonc"]);
  expect(BLOCKS.filter(({ info }) => !known.has(info))).toEqual([]);
});

test("README's own two commands are those that CI runs", () => {
  const starts = BLOCKS.filter(({ info }) => info === "sh start").map(({ text }) => text.trim());
  expect(starts).toEqual(["npm ci && npm start", "npm ci && npm test"]);
});

for (const [index, { page, text }] of COMMANDS.entries())
  test(`${page}: command block ${index} runs`, async () => {
    const script = text
      .replaceAll("localhost:8080", hub.url.replace("http://", ""))
      .replaceAll("curl -s", "curl -sS --fail-with-body");
    const { status, stdout, stderr } = await run("bash", ["-euo", "pipefail", "-c", script], {
      cwd: folderOf(page),
      env: { ...process.env, MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: hub.token },
    });
    expect(status, `${script}\n${stdout}\n${stderr}`).toBe(0);
    expect(stdout.trim()).not.toBe("");
  });

/** Runs a program to its end, without holding up this process: its connections to the hub would go stale unseen. */
async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const [[status], stdout, stderr] = await Promise.all([
    once(child, "close"),
    textOf(child.stdout),
    textOf(child.stderr),
  ]);
  return { status, stdout, stderr };
}

const SCRIPTS = BLOCKS.filter(({ info }) => info === "ts");

for (const [index, { page, text }] of SCRIPTS.entries())
  test(`${page}: TypeScript block ${index} runs`, async () => {
    // Publishers of its own: a name that a block deletes is gone for good.
    const [acme, other] = [`acme${index}`, `other${index}`];
    const { state } = await publishFiles(hub, `${acme}/words`, goodModule());
    expect(state).toBe("published");
    await call(hub, "POST", "/v1/publishers", { id: other });
    const folder = folderOf(page);
    mkdirSync(join(folder, "words"), { recursive: true });
    writeFileSync(join(folder, "words/README.md"), `# Words, as block ${index} has them\n`);
    const file = join(folder, `block-${index}.mts`);
    const client = 'import { Hub } from "@modulehub/client";';
    const address = JSON.stringify({ url: hub.url, token: hub.token });
    const own = text.replaceAll('"acme/', `"${acme}/`).replaceAll('"other/', `"${other}/`);
    writeFileSync(file, `${client}\nconst hub = new Hub(${address});\n${own}`);
    const { status, stderr } = await run(process.execPath, [file], { cwd: folder });
    expect(status, `${own}\n${stderr}`).toBe(0);
  });

test("the manifests shown fit the schema", async () => {
  const { manifestSchema } = await import("@modulehub/core");
  const shown = BLOCKS.filter(({ info, text }) => info === "jsonc" && text.includes("schemaVersion"));
  expect(shown.length).toBeGreaterThan(0);
  for (const { text } of shown) expect(() => manifestSchema.parse(JSON.parse(text))).not.toThrow();
});
