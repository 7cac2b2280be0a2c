import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

/** The script in a real bash, asked as bash asks it when Tab is pressed. */

const module = (name: string) => ({
  module: name,
  publisher: "acme",
  visibility: "public",
  createdAt: "2026-11-23T12:00:00.000Z",
});

let hub: AnsweringHub;
let folder: string;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    "GET /v1/modules?publisher=acme": { items: [module("acme/photos"), module("acme/words")] },
    "GET /v1/modules": { items: [module("acme/photos"), module("acme/words"), module("other/words")] },
  });
  folder = mkdtempSync(join(tmpdir(), "modulehub-completion-"));
  symlinkSync(join(import.meta.dirname, "../../bin/modulehub.js"), join(folder, "modulehub"));
  writeFileSync(join(folder, "model.onnx"), "");
  writeFileSync(join(folder, "script"), (await runBin(["completion", "bash"])).stdout);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await hub[Symbol.asyncDispose]();
});

/** What bash would offer with the cursor at the end of this line. */
async function offered(line: string): Promise<string[]> {
  const script = `source ./script
    COMP_LINE=$1 COMP_POINT=\${#1}
    _modulehub
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = {
    PATH: `${folder}:${dirname(process.execPath)}:/usr/bin:/bin`,
    MODULEHUB_URL: hub.url,
    XDG_CONFIG_HOME: folder,
  };
  const { stdout } = await promisify(execFile)("bash", ["--norc", "-c", script, "bash", line], {
    cwd: folder,
    env,
  });
  return stdout.split("\n").filter((each) => each !== "");
}

test("commands are completed, and their subcommands", async () => {
  expect(await offered("modulehub ver")).toEqual(["versions", "version"]);
  expect(await offered("modulehub tokens ")).toEqual(["list", "create", "revoke"]);
  expect(await offered("modulehub completion z")).toEqual(["zsh"]);
});

test("options are those of the command", async () => {
  expect(await offered("modulehub download --t")).toEqual(["--token", "--to"]);
  expect(await offered("modulehub yank acme/words/3 --u")).toEqual(["--url", "--undo"]);
  expect(await offered("modulehub tokens create --r")).toEqual(["--role"]);
  expect(await offered("modulehub tokens create ci --role w")).toEqual(["writer"]);
});

test("handles are the hub's, files those of the folder, each in its place", async () => {
  expect(await offered("modulehub show acme/w")).toEqual(["acme/words"]);
  expect(await offered("modulehub --json show --url http://127.0.0.1:1 o")).toEqual(["other/words"]);
  expect(await offered("modulehub publish mod")).toContain("model.onnx");
  expect(await offered("modulehub publish model.onnx acme/p")).toEqual(["acme/photos"]);
  expect(await offered("modulehub classify acme/photos model.onnx mod")).toContain("model.onnx");
  expect(await offered("modulehub download acme/words --to sc")).toEqual(["script"]);
});

test("a hub that is not there completes nothing, and says nothing", async () => {
  const { url } = hub;
  hub.url = "http://127.0.0.1:1";
  expect(await offered("modulehub show acme/w")).toEqual([]);
  hub.url = url;
});
