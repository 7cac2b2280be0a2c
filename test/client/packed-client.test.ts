import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, command, ROOT, type RunningHub, startHub } from "../e2e/hub.ts";
import { installed, nodes, packed } from "./installed-package.ts";

/** The packed client as a user gets it: installed by npm in an empty folder, with nothing of this repository. */

let hub: RunningHub;
let folder: string;

beforeAll(async () => {
  hub = await startHub();
  folder = installed(await packed("packages/client"));
});
afterAll(cleanUp);

/** Runs a program against the installed package. Nothing of this process's environment goes along. */
function runProgram(node: string, source: string, ...flags: string[]): unknown {
  const file = join(folder, "program.js");
  writeFileSync(file, `import { Hub, isProblem } from "@modulehub/client";\n${source}`);
  const env = { HUB: hub.url, CACHE: join(folder, "cache") };
  return JSON.parse(execFileSync(node, [...flags, file], { cwd: folder, env, encoding: "utf8" }));
}

const USE = `
const hub = new Hub({ url: process.env.HUB, cache: process.env.CACHE });
const { handle } = await hub.resolve("modulehub/nnlm-en-dim100");
const { outputs } = await hub.infer(handle, { text: ["cat is on the mat"] });
const missing = await hub.resolve("modulehub/no-such-module").catch((error) => isProblem(error, "module-not-found"));
`;

const NODES = [...nodes()];

test.each(NODES)("it is imported, and calls the hub, on Node %s", (_, node) => {
  const program = `${USE} console.log(JSON.stringify({ handle, shape: outputs.default.shape, missing }));`;
  expect(runProgram(node, program)).toEqual({
    handle: "modulehub/nnlm-en-dim100/1",
    shape: [1, 100],
    missing: true,
  });
});

test.each(NODES.flatMap(([version, node]) => [false, true].map((isolated) => ({ version, node, isolated }))))(
  "it runs a module on this machine, on Node $version (isolated: $isolated)",
  ({ node, isolated }) => {
    const program = `${USE}
    const module = await hub.load(handle, { isolated: ${isolated} });
    const here = (await module.run({ text: ["cat is on the mat"] })).outputs.default;
    await module.close();
    console.log(JSON.stringify([Array.from(here.data), outputs.default.data]));`;
    const [here, there] = runProgram(node, program) as [number[], number[]];
    expect(here).toEqual(there);
  },
);

test("what browsers get calls the hub as well", () => {
  const program = `${USE} console.log(JSON.stringify({ shape: outputs.default.shape, missing, load: typeof hub.load }));`;
  const answer = runProgram(process.execPath, program, "--conditions=browser");
  expect(answer).toEqual({ shape: [1, 100], missing: true, load: "undefined" });
});

test("it has no private dependency, and its bundle for browsers imports nothing", () => {
  const own = join(folder, "node_modules/@modulehub/client");
  const {
    dependencies,
    optionalDependencies,
    private: isPrivate,
  } = JSON.parse(readFileSync(join(own, "package.json"), "utf8"));
  const names = Object.keys({ ...dependencies, ...optionalDependencies });
  expect(names.filter((name) => name.startsWith("@modulehub/"))).toEqual([]);
  expect(isPrivate).toBeUndefined();
  const browser = readFileSync(join(own, "browser.js"), "utf8");
  expect(browser).not.toMatch(/^\s*import[\s{*"']|\bfrom\s*["']node:|\bimport\(|\brequire\(/m);
});

test("its types say what its methods take", async () => {
  const program = (handle: string) => `
    import { Hub, type InferAnswer } from "@modulehub/client";
    const hub = new Hub({ url: "http://127.0.0.1:8080" });
    const answer: InferAnswer = await hub.infer(${handle}, { x: [[1, 2]] });
    const shape: number[] = answer.outputs.y!.shape;
    for await (const event of hub.download("a/b", { to: "c" })) if (event.kind === "downloaded") console.log(event.folder, shape);
    await using module = await hub.load("a/b/1");
    console.log((await module.run({ x: [[1]] })).outputs.y?.dtype);`;
  const settings = {
    module: "nodenext",
    target: "esnext",
    strict: true,
    noEmit: true,
    types: [],
    skipLibCheck: false,
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: settings, files: ["program.ts"] }),
  );
  const check = (handle: string) => {
    writeFileSync(join(folder, "program.ts"), program(handle));
    return command(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder]);
  };
  expect((await check('"a/b"')).stdout).toBe("");
  expect((await check("42")).stdout).toMatch(/program\.ts\(4,\d+\): error TS2345/);
});
