import type { Command, Option } from "commander";

/** What may stand at a place of the command line. */
export type Place = "handle" | "file" | { choices: readonly string[] } | "anything";

export interface OptionWords {
  /** `--to`, and `-t` where there is one. */
  names: string[];
  description: string;
  /** What follows it; undefined where nothing does. */
  value: Place | undefined;
}

/** A command as shells need to know it. */
export interface CommandWords {
  /** The words that lead to it: none for `modulehub` itself. */
  path: string[];
  description: string;
  options: OptionWords[];
  arguments: { place: Place; variadic: boolean }[];
  commands: CommandWords[];
}

/** What can be typed, read from the commands themselves. Commands that help does not show are left out. */
export function commandWords(command: Command, path: string[] = []): CommandWords {
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    options: help.visibleOptions(command).map(optionWords),
    arguments: command.registeredArguments.map((argument) => ({
      place: argument.argChoices ? { choices: argument.argChoices } : placeOf(argument.name()),
      variadic: argument.variadic,
    })),
    commands: help
      .visibleCommands(command)
      .filter((each) => path.length === 0 || each.name() !== "help")
      .map((each) => commandWords(each, [...path, each.name()])),
  };
}

function optionWords({ long, short, description, flags, argChoices }: Option): OptionWords {
  const value = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1];
  return {
    names: [long, short].filter((name) => name !== undefined && name !== null),
    description,
    value: value === undefined ? undefined : argChoices ? { choices: argChoices } : placeOf(value),
  };
}

/** The words in which the commands' usage speaks of handles and files. */
function placeOf(name: string): Place {
  if (name === "handle" || name === "module") return "handle";
  return /file|folder|^path$|^items$/.test(name) ? "file" : "anything";
}

/** Every command, the outermost first. */
export const allCommands = (root: CommandWords): CommandWords[] => [
  root,
  ...root.commands.flatMap(allCommands),
];
