import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, ROOT, type RunningHub, startHub } from "../e2e/hub.ts";
import { publishFiles } from "../e2e/publish-files.ts";

/** The snippets of pages, copied from the HTML and run as they are, by a shell, Node and Python. */

let hub: RunningHub;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "modulehub-snippets-"));
  hub = await startHub();
});
afterAll(async () => {
  await cleanUp();
  rmSync(folder, { recursive: true, force: true });
});

const IDS = ["curl", "typescript", "python", "output"] as const;
type Snippets = Record<(typeof IDS)[number], string>;

async function snippetsOf(path: string): Promise<Snippets> {
  const answer = await fetch(hub.url + path, {
    headers: { accept: "text/html", authorization: `Bearer ${hub.token}` },
  });
  const html = await answer.text();
  const of = (id: string) => {
    const found = new RegExp(`<pre id="snippet-${id}"[^>]*><code>([\\s\\S]*?)</code>`).exec(html);
    if (!found) throw new Error(`${path} has no snippet for ${id}`);
    return found[1]!.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!);
  };
  return Object.fromEntries(IDS.map((id) => [id, of(id)])) as Snippets;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** What a program printed. The token is there for those that need it. */
async function run(program: string, args: string[]): Promise<string> {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, MODULEHUB_TOKEN: hub.token, NODE_NO_WARNINGS: "1", PYTHONIOENCODING: "utf-8" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  expect(code, `${program}: ${stderr}`).toBe(0);
  return stdout.trim();
}

async function runAll(snippets: Snippets) {
  writeFileSync(join(folder, "snippet.mts"), snippets.typescript);
  writeFileSync(join(folder, "snippet.py"), snippets.python);
  const [curl, typescript, python] = await Promise.all([
    run("sh", ["-c", snippets.curl]),
    run(process.execPath, ["snippet.mts"]),
    run("python3", ["snippet.py"]),
  ]);
  return { curl: JSON.parse(curl) as unknown, typescript, python };
}

/** Words apart from numbers, which are rounded: another machine may differ in the last bits. */
const rounded = (text: string): string =>
  text.replace(/-?\d+\.\d+(e-?\d+)?/g, (number) => Number(number).toFixed(5)).replace(/,\s+/g, ",");

test("the snippets of a text module print what the page shows", async () => {
  const snippets = await snippetsOf("/modulehub/nnlm-en-dim100/1");
  const { curl, typescript, python } = await runAll(snippets);
  expect(rounded(typescript)).toBe(rounded(snippets.output));
  expect(rounded(python)).toBe(rounded(snippets.output));
  expect(snippets.output).toMatch(/^default float32 \[4,\s?100\] \[-?0\.\d+/);
  const { data } = (curl as { outputs: { default: { data: number[] } } }).outputs.default;
  expect(data).toHaveLength(400);
  expect(rounded(snippets.output)).toContain(
    `[${data
      .slice(0, 4)
      .map((value) => value.toFixed(5))
      .join(",")}]`,
  );
});

test("the snippets of a classifier send a picture and print its classes", async () => {
  const snippets = await snippetsOf("/modulehub/imagenet/efficientnet-lite0/classification");
  const { curl, typescript, python } = await runAll(snippets);
  expect(rounded(typescript)).toBe(rounded(snippets.output));
  expect(rounded(python)).toBe(rounded(snippets.output));
  expect(snippets.output.split("\n")).toHaveLength(5);
  expect(snippets.output).toMatch(/^espresso 0\.\d+/);
  expect(curl).toMatchObject({ results: [[{ label: "espresso" }, {}, {}, {}, {}]] });
});

test("the snippets of an image feature vector send a picture and print the first numbers", async () => {
  const snippets = await snippetsOf("/modulehub/imagenet/efficientnet-lite0/feature-vector");
  const { curl, typescript, python } = await runAll(snippets);
  expect(rounded(typescript)).toBe(rounded(snippets.output));
  expect(rounded(python)).toBe(rounded(snippets.output));
  expect((curl as { embeddings: number[][] }).embeddings[0]).toHaveLength(1280);
});

test("the snippets of a module that takes several pictures by infer put them into its JSON", async () => {
  const source = "modulehub/imagenet/efficientnet-lite0/classification";
  const folder = join(ROOT, "examples/modules/efficientnet-lite0/classification");
  const manifest = JSON.parse(readFileSync(join(folder, "module.json"), "utf8")) as {
    task: string;
    examples: object[];
  };
  manifest.task = "image-statistics";
  const pictures = [{ file: "coffee.jpg" }, { file: "100% of it's.jpg" }];
  manifest.examples = [{ signature: "default", inputs: { image: pictures } }];
  const graph = await fetch(`${hub.url}/v1/modules/${source}/versions/1/files/model.onnx`);
  const draft = await publishFiles(hub, "modulehub/pictures", {
    "module.json": Buffer.from(JSON.stringify(manifest)),
    "model.onnx": new Uint8Array(await graph.arrayBuffer()),
    "labels.txt": readFileSync(join(folder, "labels.txt")),
    "coffee.jpg": readFileSync(join(folder, "coffee.jpg")),
    "100% of it's.jpg": readFileSync(join(ROOT, "examples/photos/china.jpg")),
  });
  expect(draft, JSON.stringify(draft.problems)).toMatchObject({ state: "published" });
  const snippets = await snippetsOf("/modulehub/pictures");
  const { curl, typescript, python } = await runAll(snippets);
  // Labels are words in quotes, which the three write each in its own way.
  const plain = (text: string) => rounded(text).replace(/["']/g, "").replace(/,\s*/g, ",");
  expect(plain(typescript)).toBe(plain(snippets.output));
  expect(plain(python)).toBe(plain(snippets.output));
  expect(curl).toMatchObject({ outputs: { default: { shape: [2, 1000] } } });
});

const ODD = `it's "odd" $(touch ran) \`touch ran\` %s %d \\ \\n é 漢 😀 ${"\u202e"} <b> #{x} {0}\n\ttab`;

test("odd texts of a private module go through shell, Node and Python unchanged, and run nothing", async () => {
  const source = join(ROOT, "examples/modules/nnlm-en-dim100");
  const manifest = JSON.parse(readFileSync(join(source, "module.json"), "utf8")) as { examples: object[] };
  manifest.examples = [{ signature: "default", inputs: { text: [ODD, "cat"] } }];
  const model = await fetch(`${hub.url}/v1/modules/modulehub/nnlm-en-dim100/versions/1/files/model.onnx`);
  const draft = await publishFiles(hub, "modulehub/odd", {
    "module.json": Buffer.from(JSON.stringify(manifest)),
    "model.onnx": new Uint8Array(await model.arrayBuffer()),
  });
  expect(draft, JSON.stringify(draft.problems)).toMatchObject({ state: "published" });
  const snippets = await snippetsOf("/modulehub/odd");
  expect(snippets.curl).not.toContain("\u202e");
  const { curl, typescript, python } = await runAll(snippets);
  // The inspection got the text from module.json: equal numbers mean that each program sent the same one.
  expect(rounded(typescript)).toBe(rounded(snippets.output));
  expect(rounded(python)).toBe(rounded(snippets.output));
  const sent = await fetch(`${hub.url}/v1/modules/modulehub/odd/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${hub.token}`, "content-type": "application/json" },
    body: JSON.stringify({ inputs: { text: [ODD, "cat"] } }),
  });
  expect((curl as { outputs: unknown }).outputs).toEqual(
    ((await sent.json()) as { outputs: unknown }).outputs,
  );
  expect(() => readFileSync(join(folder, "ran"))).toThrow(/ENOENT/);
});
