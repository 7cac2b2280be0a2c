import { allCommands, type CommandWords, type Place } from "./command-words.ts";

/**
 * The completion script for bash. The line is split at blanks, not as bash does, which would part addresses and
 * handles at `:` and `@`.
 */
export function bashScript(root: CommandWords): string {
  const all = allCommands(root);
  const keys = (command: CommandWords): string => command.path.join(" ");
  const taking = all.flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      value === undefined ? [] : names.map((name) => ({ key: `${keys(command)} ${name}`, value })),
    ),
  );
  const places = all.flatMap((command) =>
    command.arguments.map(({ place, variadic }, index) => ({
      pattern: variadic ? `${quoted(`${keys(command)} `)}*` : quoted(`${keys(command)} ${index}`),
      place,
    })),
  );
  return `# Completion of modulehub for bash: source <(modulehub completion bash)
_modulehub() {
  local line=\${COMP_LINE:0:COMP_POINT} cur="" path="" option="" words=() word count=0
  read -ra words <<<"$line"
  if [[ $line != *[[:space:]] ]]; then
    cur=\${words[\${#words[@]}-1]}
    unset "words[\${#words[@]}-1]"
  fi
  for word in "\${words[@]:1}"; do
    if [[ -n $option ]]; then
      option=""
      continue
    fi
    case "$path $word" in
      ${alternatives(taking.map(({ key }) => quoted(key)))}) option=$word; continue ;;
      *" -"*) continue ;;
      ${alternatives(all.filter(({ path }) => path.length > 0).map((each) => quoted(each.path.length > 1 ? keys(each) : ` ${keys(each)}`)))}) path="\${path:+$path }$word"; count=0; continue ;;
    esac
    count=$((count + 1))
  done
  local candidates=""
  if [[ -n $option ]]; then
    case "$path $option" in
${taking.map(({ key, value }) => `      ${quoted(key)}) ${offer(value)} ;;`).join("\n")}
    esac
    return
  fi
  if [[ $cur == -* ]]; then
    case "$path" in
${all.map((each) => `      ${quoted(keys(each))}) candidates=${quoted(each.options.flatMap(({ names }) => names).join(" "))} ;;`).join("\n")}
    esac
    COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
    return
  fi
  case "$path" in
${all
  .filter(({ commands }) => commands.length > 0)
  .map(
    (each) =>
      `      ${quoted(keys(each))}) candidates=${quoted(each.commands.map(({ path }) => path.at(-1)).join(" "))} ;;`,
  )
  .join("\n")}
  esac
  if [[ -n $candidates ]]; then
    COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
    return
  fi
  case "$path $count" in
${places.map(({ pattern, place }) => `    ${pattern}) ${offer(place)} ;;`).join("\n")}
  esac
}
complete -F _modulehub modulehub
`;
}

function offer(place: Place): string {
  if (place === "handle") return `COMPREPLY=($(modulehub completion handles "$cur" 2>/dev/null))`;
  if (place === "file") return `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))`;
  if (place === "anything") return ":";
  return `COMPREPLY=($(compgen -W ${quoted(place.choices.join(" "))} -- "$cur"))`;
}

const alternatives = (patterns: readonly string[]): string => patterns.join(" | ");
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
