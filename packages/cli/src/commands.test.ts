import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FaultyHub } from "@modulehub/client/faulty-hub";
import { ProblemError, parseManifest } from "@modulehub/core";
import { readModel } from "@modulehub/onnx";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { problemText } from "./error-text.ts";
import { runBin } from "./run-bin.ts";

/** Four words of two numbers, in GloVe's text form. */
const GLOVE = "the 0.1 0.2\ncat 1 0\ndog 0.9 0.1\nparliament 0 1\n";

let folder: string;
let faulty: FaultyHub;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-cli-"));
  faulty = new FaultyHub();
  await faulty.start();
});

afterEach(async () => {
  await faulty[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** What a hub with one text and one image module answers; the last body is kept. */
let serving: Server;
let url: string;
let lastBody: { inputs?: unknown[] } | undefined;
let lastToken: string | undefined;

beforeAll(async () => {
  const digest = `sha256:${"cd".repeat(32)}`;
  const manifest = (task: string, dtype: string) => ({
    schemaVersion: 1,
    task,
    signatures: {
      default: {
        inputs: { x: { dtype, shape: ["batch"] } },
        outputs: { y: { dtype: "float32", shape: ["batch", 2] } },
        steps: [
          ...(dtype === "image" ? [{ image: { from: "x", as: "pixels" } }] : []),
          {
            run: {
              graph: "model.onnx",
              inputs: { x: dtype === "image" ? "pixels" : "x" },
              outputs: { y: "y" },
            },
          },
        ],
      },
    },
  });
  const version = (module: string, number: number, manifest: object) => ({
    handle: `${module}/${number}`,
    module,
    version: number,
    digest,
    url: `https://hub.example/${module}/${number}`,
    publishedAt: "2026-11-23T12:00:00.000Z",
    manifest,
    files: [{ path: "module.json", size: 2, digest, role: "asset" }],
  });
  const answer = (line: string, body: { inputs?: unknown[] } | undefined): unknown => {
    if (line === "GET /v1/modules/acme/words/versions/latest")
      return version("acme/words", 2, manifest("text-embedding", "string"));
    if (line === "GET /v1/modules/acme/photos/versions/latest")
      return version("acme/photos", 1, manifest("image-classification", "image"));
    const { inputs = [] } = body ?? {};
    if (line === "POST /v1/modules/acme/words/versions/2/embed")
      return { embeddings: inputs.map((_, index) => [index, 0.5]), model: "acme/words", version: 2 };
    if (line === "POST /v1/modules/acme/words/versions/2/classify")
      return { results: inputs.map((_, index) => [{ label: `l${index}`, score: 0.5 }]) };
    if (line === "POST /v1/modules/acme/photos/versions/1/classify")
      return { results: inputs.map(() => [{ label: "tabby", score: 0.9 }]) };
    if (line === "POST /v1/modules/acme/words/infer") {
      const y = { dtype: "float32", shape: [1, 2], data: [1, "NaN"] };
      return { module: "acme/words", version: 2, digest, outputs: { y } };
    }
    return undefined;
  };
  serving = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    lastBody = text === "" ? undefined : JSON.parse(text);
    lastToken = request.headers.authorization;
    const body = answer(`${request.method} ${request.url}`, lastBody);
    response
      .writeHead(body ? 200 : 500, { "content-type": "application/json" })
      .end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => serving.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(serving.address() as AddressInfo).port}`;
});

afterAll(() => {
  serving.closeAllConnections();
  serving.close();
});

test("a command line that can't be meant exits with 2, and says what is missing", async () => {
  const { code, stderr, stdout } = await runBin(["resolve"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("missing required argument 'handle'");
});

test("a hub that isn't there exits with 3, and says how to start one", async () => {
  await faulty[Symbol.asyncDispose]();
  const { code, stderr } = await runBin(["resolve", "acme/thing", "--url", faulty.url]);
  expect(code).toBe(3);
  expect(stderr).toMatch(
    /^modulehub: No hub answers at .* \(ECONNREFUSED\)\. Start one with "modulehub serve"/,
  );
  await faulty.start();
});

test("a refusal exits with 1 and prints its sentence, code and request", async () => {
  const { code, stderr } = await runBin(["resolve", "acme/thing"], { MODULEHUB_URL: faulty.url });
  expect(code).toBe(1);
  expect(stderr).toBe(
    "modulehub: There is no such module, or this token may not see it.\n  (code module-not-found, request r1)\n",
  );
});

test("someone without a token is told where one comes from", () => {
  const document = new ProblemError("unauthenticated", "This token is not known here.").toDocument("r-1");
  expect(problemText(document)).toBe(
    [
      "This token is not known here.",
      '  Log in with "modulehub login", or give a token with --token or MODULEHUB_TOKEN; a hub on this machine has one in its data folder, as admin-token.',
      "  (code unauthenticated, request r-1)",
    ].join("\n"),
  );
});

test("publish --json ends with handle, version and digest", async () => {
  await writeFile(join(folder, "words.txt"), GLOVE);
  const module = join(folder, "module");
  await runBin(["build", "text-embedding", "--vectors", join(folder, "words.txt"), "--out", module]);
  const args = ["publish", module, "newcomer/words", "--json", "--token", "secret"];
  const { code, stdout, stderr } = await runBin(args, { MODULEHUB_URL: faulty.url });
  expect(code).toBe(0);
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  expect(JSON.parse(last)).toEqual({
    handle: "newcomer/words/4",
    version: 4,
    digest: `sha256:${"ab".repeat(32)}`,
  });
  expect(stderr.split("\n").map((line) => line.split(" ")[0])).toEqual([
    "Hashing",
    "Draft",
    "Sending",
    "Verifying",
    "",
  ]);
  expect(faulty.draft).toMatchObject({ visibility: "public" });
});

test("publish sets the aliases that the handle and --alias name", async () => {
  await writeFile(join(folder, "words.txt"), GLOVE);
  const module = join(folder, "module");
  await runBin(["build", "text-embedding", "--vectors", join(folder, "words.txt"), "--out", module]);
  const args = ["publish", module, "acme/words@stable", "--alias", "beta", "--alias", "v1"];
  expect((await runBin(args, { MODULEHUB_URL: faulty.url })).code).toBe(0);
  expect(faulty.draft).toMatchObject({ aliases: ["stable", "beta", "v1"] });
});

test("a rejected module exits with 1 and prints why", async () => {
  await writeFile(join(folder, "words.txt"), GLOVE);
  const module = join(folder, "module");
  await runBin(["build", "text-embedding", "--vectors", join(folder, "words.txt"), "--out", module]);
  faulty.draftState = "rejected";
  const { code, stdout, stderr } = await runBin([
    "publish",
    module,
    "acme/words",
    "--url",
    faulty.url,
    "--private",
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(
    "modulehub: The graph file is not an ONNX model.\n  (code not-onnx, request r7)\n",
  );
  expect(faulty.draft).toMatchObject({ visibility: "private" });
});

test("build text-embedding makes a folder that can be published as it is", async () => {
  await writeFile(join(folder, "words.txt"), GLOVE);
  const out = join(folder, "made", "module");
  const vectors = join(folder, "words.txt");
  const { code, stdout } = await runBin([
    ...[
      "build",
      "text-embedding",
      "--vectors",
      vectors,
      "--out",
      out,
      "--normalize",
      "--max-words",
      "50",
      "--json",
    ],
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ folder: out, words: 4, dimensions: 2 });
  const manifest = parseManifest(await readFile(join(out, "module.json")));
  expect(manifest.signatures.default).toEqual({
    inputs: { text: { dtype: "string", shape: ["batch"], maxWords: 50 } },
    outputs: { default: { dtype: "float32", shape: ["batch", 2] } },
  });
  const graph = readModel(await readFile(join(out, "model.onnx")));
  expect(graph.inputs).toEqual([{ name: "text", type: "string", shape: ["batch"] }]);
  expect(graph.outputs).toEqual([{ name: "default", type: "float32", shape: ["batch", 2] }]);
  expect(await readFile(join(out, "README.md"), "utf8")).toMatch(/^---\ntitle: /);

  const told = await runBin(["build", "text-embedding", "--vectors", vectors, "--out", join(folder, "told")]);
  expect(told.stdout).toContain("rounded to int8, a scale a word; --storage float32 keeps them");
  const exact = join(folder, "exact");
  await runBin(["build", "text-embedding", "--vectors", vectors, "--out", exact, "--storage", "float32"]);
  const types = readModel(await readFile(join(exact, "model.onnx"))).operators;
  expect(Object.keys(types)).not.toContain("DequantizeLinear");

  const again = await runBin(["build", "text-embedding", "--vectors", vectors, "--out", out]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("is not empty");
});

test("word vectors that are none are refused with the line", async () => {
  await writeFile(join(folder, "words.txt"), "the 0.1 0.2\ncat 1\n");
  const args = [
    "build",
    "text-embedding",
    "--vectors",
    join(folder, "words.txt"),
    "--out",
    join(folder, "out"),
  ];
  const { code, stderr } = await runBin(args);
  expect(code).toBe(1);
  expect(stderr).toContain("Line 2 has 1 numbers; the lines before have 2.");
});

test("publish --dry-run prints the module.json that would go along, and sends nothing", async () => {
  await writeFile(join(folder, "words.txt"), GLOVE);
  const module = join(folder, "module");
  await runBin(["build", "text-embedding", "--vectors", join(folder, "words.txt"), "--out", module]);
  await rm(join(module, "module.json"));
  const { code, stdout, stderr } = await runBin([
    "publish",
    module,
    "acme/words",
    "--dry-run",
    "--url",
    faulty.url,
  ]);
  expect(code).toBe(0);
  expect(parseManifest(Buffer.from(stdout)).signatures.default?.inputs).toEqual({
    text: { dtype: "string", shape: ["batch"] },
  });
  expect(stderr).toContain("this is a single ONNX graph");
  expect(faulty.requests).toEqual([]);
});

test("embed takes texts and files of texts, and prints what the hub answers", async () => {
  await writeFile(join(folder, "texts.txt"), "one\ntwo\n");
  const args = ["embed", "acme/words", "zero", `@${join(folder, "texts.txt")}`, "--json", "--url", url];
  const { code, stdout } = await runBin(args);
  expect(code).toBe(0);
  expect(lastBody).toEqual({ inputs: ["zero", "one", "two"] });
  expect(JSON.parse(stdout)).toEqual({
    embeddings: [
      [0, 0.5],
      [1, 0.5],
      [2, 0.5],
    ],
    model: "acme/words",
    version: 2,
  });
});

test("classify takes its arguments for files where the module takes images", async () => {
  await writeFile(join(folder, "cat.jpg"), "not decoded here");
  const { code, stdout } = await runBin([
    "classify",
    "acme/photos",
    join(folder, "cat.jpg"),
    "--top-k",
    "1",
    "--url",
    url,
  ]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "  0.9000  tabby\n" });
  expect(lastBody).toEqual({
    inputs: [{ b64: Buffer.from("not decoded here").toString("base64") }],
    topK: 1,
  });
  const missing = await runBin(["classify", "acme/photos", join(folder, "dog.jpg"), "--url", url]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("this module takes the names of image files");
});

test("classify tells of which text its labels are, where there are several, on a line each", async () => {
  await writeFile(join(folder, "texts.txt"), `first\n${"x".repeat(100)}\n`);
  const classify = (...items: string[]) => runBin(["classify", "acme/words", ...items, "--url", url]);
  const { stdout } = await classify(`@${join(folder, "texts.txt")}`);
  expect(stdout).toBe(`first\n  0.5000  l0\n${"x".repeat(79)}…\n  0.5000  l1\n`);
  expect((await classify("two\nlines", "and one")).stdout).toBe(
    "two lines\n  0.5000  l0\nand one\n  0.5000  l1\n",
  );
  await writeFile(join(folder, "one.txt"), "only\n");
  expect((await classify(`@${join(folder, "one.txt")}`)).stdout).toBe("  0.5000  l0\n");
});

test("a command whose output nobody reads to the end still exits with what it found", async () => {
  const file = join(folder, "bad.csv");
  await writeFile(file, "text,label\nall of one class,x\nthis too,x\n");
  expect((await runBin(["data", "check", file], {}, "", "stdout")).code).toBe(1);
  await writeFile(file, "text,label\nof one class,x\nof another,y\n");
  expect((await runBin(["data", "check", file], {}, "", "stdout")).code).toBe(0);
});

test("a command goes on where nobody reads how it goes on", async () => {
  const vectors = join(folder, "words.txt");
  await writeFile(vectors, GLOVE);
  const args = ["build", "text-embedding", "--vectors", vectors, "--out", join(folder, "module")];
  const { code, stdout } = await runBin(args, {}, "", "stderr");
  expect(stdout).toContain("4 words");
  expect(code).toBe(0);
});

test("infer takes inputs one by one or all from a file, and says so where they are no JSON", async () => {
  const one = await runBin([
    "infer",
    "acme/words",
    "--input",
    'x=["a"]',
    "--output",
    "y",
    "--json",
    "--url",
    url,
  ]);
  expect(one.code).toBe(0);
  expect(lastBody).toEqual({ inputs: { x: ["a"] }, outputs: ["y"] });
  expect(JSON.parse(one.stdout)).toMatchObject({ outputs: { y: { data: [1, "NaN"] } } });
  await writeFile(join(folder, "inputs.json"), '{"x": {"dtype": "string", "shape": [1], "data": ["b"]}}');
  await runBin(["infer", "acme/words", "--inputs", `@${join(folder, "inputs.json")}`, "--url", url]);
  expect(lastBody).toEqual({ inputs: { x: { dtype: "string", shape: [1], data: ["b"] } } });
  const wrong = await runBin(["infer", "acme/words", "--input", "x=a", "--url", url]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("texts need quotes");
});

test("a hub on this machine is called with the admin token of its data folder, unless another is given", async () => {
  await mkdir(join(folder, "data"));
  await writeFile(join(folder, "data", "admin-token"), "admin-secret\n");
  const environment = { MODULEHUB_DATA: join(folder, "data"), MODULEHUB_URL: url };
  await runBin(["embed", "acme/words", "a"], environment);
  expect(lastToken).toBe("Bearer admin-secret");
  await runBin(["embed", "acme/words", "a"], { ...environment, MODULEHUB_TOKEN: "other" });
  expect(lastToken).toBe("Bearer other");
});

test("something that isn't a hub is told as such, with 4", async () => {
  const { code, stderr } = await runBin(["resolve", "acme/words", "--url", url]);
  expect(code).toBe(4);
  expect(stderr).toContain("is not a Modulehub");
});
