import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, command, ROOT, temporaryFolder } from "../e2e/hub.ts";

/** The completion scripts in real shells: zsh and fish, from the distribution's packages. */

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = temporaryFolder();
  mkdirSync(join(folder, "bin"));
  symlinkSync(join(ROOT, "packages/cli/bin/modulehub.js"), join(folder, "bin/modulehub"));
  writeFileSync(join(folder, "model.onnx"), "");
  env = {
    PATH: [join(folder, "bin"), dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
    HOME: folder,
    MODULEHUB_URL: "http://127.0.0.1:1",
  };
  for (const shell of ["zsh", "fish"]) {
    const { stdout } = await command("npx", ["modulehub", "completion", shell]);
    writeFileSync(join(folder, `script.${shell}`), stdout);
  }
});
afterAll(cleanUp);

async function printed(shell: string, script: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(shell, [...args, script], { cwd: folder, env })).stdout;
}

/** What fish offers at the end of this line, without the descriptions. */
async function fish(line: string): Promise<string[]> {
  const offered = await printed("fish", `source script.fish; complete -C '${line}'`, "--no-config", "-c");
  return offered
    .trim()
    .split("\n")
    .map((each) => each.split("\t")[0]!);
}

/** What an interactive zsh shows when Tab is pressed twice at the end of this line, escape sequences taken out. */
async function zsh(line: string): Promise<string> {
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'PS1=; stty columns 200; autoload -U compinit; compinit -u -d ./dump; source ./script.zsh'
    zpty -w shell 'setopt no_beep no_always_last_prompt; print rea''dy'
    zpty -r -m shell seen '*ready*'
    zpty -w -n shell $'${line}\\t\\t'
    sleep 2
    zpty -w -n shell $'\\C-u'
    zpty -w shell 'print fin''ished'
    zpty -r -m shell seen '*finished*'
    print -r -- $seen`;
  return stripVTControlCharacters(await printed("zsh", script, "-f", "-c"));
}

test("fish offers commands, options, values and files", async () => {
  expect(await fish("modulehub ver")).toEqual(["version", "versions"]);
  expect(await fish("modulehub tokens ")).toEqual(["create", "list", "revoke"]);
  expect(await fish("modulehub download --t")).toEqual(["--to", "--token"]);
  expect(await fish("modulehub tokens create ci --role w")).toEqual(["writer"]);
  expect(await fish("modulehub publish mod")).toContain("model.onnx");
});

test("zsh offers commands with what they do, options, values and files", async () => {
  const commands = await zsh("modulehub ver");
  expect(commands).toMatch(/version +-- print the version/);
  expect(commands).toMatch(/versions +-- list a module's versions/);
  expect(await zsh("modulehub tokens ")).toMatch(/revoke +-- end a token at once/);
  expect(await zsh("modulehub download --to")).toMatch(/--token +-- token to call it with/);
  expect(await zsh("modulehub tokens create ci --role w")).toContain("--role writer");
  expect(await zsh("modulehub publish mod")).toContain("publish model.onnx");
});
