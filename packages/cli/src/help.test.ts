import { expect, test } from "vitest";
import { allCommands, commandWords } from "./completion/command-words.ts";
import type { Context } from "./context.ts";
import { exampleLines } from "./help.ts";
import { program } from "./program.ts";
import { runBin } from "./run-bin.ts";
import { settingsSchema } from "./settings.ts";

const context: Context = {
  settings: settingsSchema.parse({}),
  environment: {},
  input: process.stdin,
  out: process.stdout,
  err: process.stderr,
  onInterrupt: () => () => {},
};
const commands = allCommands(commandWords(program(context, "1.2.3")));

test("every command has an example, and every example names a command and options that it has", () => {
  const used = exampleLines().map((line) => {
    const words = line
      .replace(/^source <\((.*)\)$/, "$1")
      .split(/ [<>|] /)[0]!
      .match(/'[^']*'|"[^"]*"|\S+/g)!
      .slice(1);
    const command = commands.findLast(
      ({ path }) => path.length > 0 && path.every((word, index) => words[index] === word),
    );
    expect(command, line).toBeDefined();
    const known = new Set(command?.options.flatMap(({ names }) => names));
    for (const word of words.filter((word) => word.startsWith("-"))) expect(known, line).toContain(word);
    return command?.path[0];
  });
  const outermost = commands.filter(({ path }) => path.length === 1).map(({ path }) => path[0]);
  expect(outermost.filter((name) => name !== "help" && !used.includes(name))).toEqual([]);
});

test("every command can print JSON, but those that print scripts and help", () => {
  const without = commands
    .filter(
      ({ commands, options }) =>
        commands.length === 0 && !options.some(({ names }) => names.includes("--json")),
    )
    .map(({ path }) => path.join(" "));
  expect(without.sort()).toEqual(["completion bash", "completion fish", "completion zsh", "help"]);
});

test("help goes to stdout with 0; a word that is no command is told with the one that was meant", async () => {
  const help = await runBin(["help", "yank"]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain('modulehub yank acme/words/3 --reason "Wrong labels."');
  const wrong = await runBin(["serch"]);
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("(Did you mean search?)");
});

test("help fits 80 columns where that is the terminal's width", async () => {
  const { stdout } = await runBin(["--help"], { COLUMNS: "80" });
  expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
});
