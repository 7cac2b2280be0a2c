import { allCommands, type CommandWords, type Place } from "./command-words.ts";

/** The completion script for fish. */
export function fishScript(root: CommandWords): string {
  const all = allCommands(root);
  const paths = all.filter(({ path }) => path.length > 0).map(({ path }) => path.join(" "));
  return `# Completion of modulehub for fish: modulehub completion fish | source
function __modulehub_at --description 'whether the words so far lead to this command'
  set -l at
  for word in (commandline -opc)[2..]
    if contains -- (string join ' ' $at $word) ${paths.map(quoted).join(" ")}
      set -a at $word
    end
  end
  test "$at" = "$argv"
end
complete -c modulehub -f
${all.flatMap(linesOf).join("\n")}
`;
}

function linesOf(command: CommandWords): string[] {
  const at = `complete -c modulehub -n ${quoted(`__modulehub_at ${command.path.join(" ")}`.trimEnd())}`;
  return [
    ...command.commands.map(
      ({ path, description }) => `${at} -a ${quoted(path.at(-1) ?? "")} -d ${quoted(description)}`,
    ),
    ...command.options.map(({ names, description, value }) => {
      const flags = names.map((name) =>
        name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      );
      return `${at} ${flags.join(" ")}${value === undefined ? "" : ` ${followedBy(value)}`} -d ${quoted(description)}`;
    }),
    ...new Set(command.arguments.map(({ place }) => place).flatMap((place) => argumentOf(at, place))),
  ];
}

function followedBy(place: Place): string {
  if (place === "file") return "-r -F";
  if (place === "handle") return `-x -a ${quoted(HANDLES)}`;
  return place === "anything" ? "-x" : `-x -a ${quoted(place.choices.join(" "))}`;
}

function argumentOf(at: string, place: Place): string[] {
  if (place === "file") return [`${at} -F`];
  if (place === "handle") return [`${at} -a ${quoted(HANDLES)}`];
  return place === "anything" ? [] : [`${at} -a ${quoted(place.choices.join(" "))}`];
}

const HANDLES = `(modulehub completion handles (commandline -ct) 2>/dev/null)`;
const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
