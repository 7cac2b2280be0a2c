import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { ROOT } from "./root.ts";

export interface PackageJson {
  name: string;
  version: string;
  license: string;
  description?: string;
  dependencies?: Record<string, string>;
}

/** The package.json of a workspace, by its folder from the root. */
export const packageOf = (folder: string): PackageJson =>
  JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));

/** The package that an import's specifier belongs to: `@scope/name/deep` → `@scope/name`. */
export const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** Whether an import is neither Node's, nor a file, nor a workspace's, nor what the bundler adds for older Nodes. */
export const isThirdParty = (specifier: string): boolean =>
  !/^(node:|\.|\/|@modulehub\/|@oxc-project\/runtime\/|\0)/.test(specifier) && !isAbsolute(specifier);

/**
 * The exact versions of packages, as the workspaces pin them. Throws where none does, or where two do not agree:
 * what is packed would not be what was tested.
 */
export function pinned(names: Iterable<string>): Record<string, string> {
  const versions = new Map<string, string>();
  for (const parent of ["packages", "services"])
    for (const name of readdirSync(join(ROOT, parent)))
      for (const [dependency, version] of Object.entries(packageOf(join(parent, name)).dependencies ?? {})) {
        const other = versions.get(dependency);
        if (other !== undefined && other !== version)
          throw new Error(`${dependency} is wanted as ${other} and as ${version}.`);
        versions.set(dependency, version);
      }
  return Object.fromEntries(
    [...new Set(names)].sort().map((name) => {
      const version = versions.get(name);
      if (version === undefined || !/^\d/.test(version)) throw new Error(`No workspace pins ${name}.`);
      return [name, version];
    }),
  );
}
