import { allCommands, type CommandWords, type Place } from "./command-words.ts";

/** The completion script for zsh, to be sourced, or saved as `_modulehub` in a folder of `$fpath`. */
export function zshScript(root: CommandWords): string {
  const functions = allCommands(root).map(functionOf).join("\n");
  return `#compdef modulehub
# Completion of modulehub for zsh: source <(modulehub completion zsh)
_modulehub_handles() {
  local -a found
  found=(\${(f)"$(modulehub completion handles "$PREFIX" 2>/dev/null)"})
  compadd -a found
}
${functions}
if [[ $funcstack[1] == _modulehub ]]; then _modulehub "$@"; else compdef _modulehub modulehub; fi
`;
}

function functionOf(command: CommandWords): string {
  const name = ["_modulehub", ...command.path].join("_").replaceAll("-", "_");
  const options = command.options.flatMap(({ names, description, value }) =>
    names.map((each) => {
      const after = value === undefined ? "" : `:value:${action(value)}`;
      return `${each}[${description.replace(/[[\]\\:]/g, "\\$&")}]${after}`;
    }),
  );
  if (command.commands.length === 0) {
    const places = command.arguments.map(
      ({ place, variadic }, index) => `${variadic ? "*" : index + 1}:argument:${action(place)}`,
    );
    return `${name}() {
  _arguments -s ${[...options, ...places].map(quoted).join(" \\\n    ")}
}`;
  }
  const commands = command.commands.map(
    ({ path, description }) => `${path.at(-1)}:${description.replaceAll(":", "\\:")}`,
  );
  return `${name}() {
  local state
  local -a commands
  commands=(${commands.map(quoted).join("\n    ")})
  _arguments -C ${options.map(quoted).join(" \\\n    ")} '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
${command.commands
  .map(({ path }) => `        ${path.at(-1)}) ${["_modulehub", ...path].join("_").replaceAll("-", "_")} ;;`)
  .join("\n")}
      esac ;;
  esac
}`;
}

function action(place: Place): string {
  if (place === "handle") return "_modulehub_handles";
  if (place === "file") return "_files";
  return place === "anything" ? " " : `(${place.choices.join(" ")})`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
