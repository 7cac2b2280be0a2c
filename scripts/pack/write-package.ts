import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "./root.ts";
import type { PackageJson } from "./third-party.ts";

/** Where packages go: the folder that the command line names, else `.cache/packages`. */
export const packagesFolder = (argument: string | undefined): string =>
  resolve(process.env.INIT_CWD ?? process.cwd(), argument ?? join(ROOT, ".cache/packages"));

/** An empty folder for what goes into a package. */
export function emptyFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Adds package.json, README and LICENSE to a folder and makes the archive that npm installs; returns its path. */
export function writePackage(
  folder: string,
  { to, from, readme, fields }: { to: string; from: PackageJson; readme: string; fields: object },
): string {
  const { name, version, license } = from;
  const published = { name, version, license, type: "module", ...fields };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  copyFileSync(readme, join(folder, "README.md"));
  copyFileSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  const output = execFileSync("npm", ["pack", "--json", "--pack-destination", to], {
    cwd: folder,
    encoding: "utf8",
  });
  const [packed] = JSON.parse(output) as { filename: string }[];
  return join(to, packed!.filename);
}
