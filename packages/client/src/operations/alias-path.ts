import { isAlias, parseModuleName, problem } from "@modulehub/core";

/** The path of a module's alias. Throws `invalid-name`. */
export function aliasPath(module: string, alias: string): string {
  if (!isAlias(alias))
    throw problem(
      "invalid-name",
      "An alias is a letter or _, then up to 127 letters, digits, _ . and -; not latest, main, HEAD or 40 hex digits.",
    );
  return `v1/modules/${parseModuleName(module)}/aliases/${alias}`;
}
