import type { Reference } from "@modulehub/core";
import { Option } from "commander";

/** What a command with the option below is given. */
export interface AliasOptions {
  alias?: string[];
}

/** `--alias`, once for every alias that a new version is to have. */
export const aliasOption = (): Option =>
  new Option("--alias <name>", "a name that stands for the new version from then on; repeatable").argParser(
    (name: string, earlier: string[] = []) => [...earlier, name],
  );

/** The aliases of a new version: that of the handle that it is published as, and those of the option. */
export const aliasesOf = (reference: Reference, { alias = [] }: AliasOptions): string[] =>
  reference.kind === "alias" ? [reference.alias, ...alias] : alias;
