/** Fails when a source file imports what `import-rules.ts` does not let it, or reaches into another package. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { EXEMPT, IMPORT_RULES } from "./import-rules.ts";

const IMPORT =
  /(?:^|[;\s])(?:import|export)\s+(?:[^"'`;]*?\sfrom\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']/g;

/** What is no package: it starts services, and drives parts of them that no package shows others. */
const OUTSIDE = /^(test|bench|scripts)\//;

/** The sentences to print, one a broken rule. */
export function importFaults(file: string, source: string): string[] {
  const faults: string[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2];
    if (specifier === undefined) continue;
    const reaches =
      specifier.startsWith(".") && home(normalize(join(dirname(file), specifier))) !== home(file);
    if (reaches && !OUTSIDE.test(file))
      faults.push(`${file} imports ${specifier}: other packages are imported by their name.`);
    if (EXEMPT.test(file)) continue;
    for (const { imports, onlyFrom, neverFrom, reason } of IMPORT_RULES)
      if (imports.test(specifier) && (neverFrom?.test(file) || (onlyFrom && !onlyFrom.test(file))))
        faults.push(`${file} imports ${specifier}: ${reason}.`);
  }
  return faults;
}

/** The package or top-level folder that a path belongs to. */
const home = (path: string): string =>
  path
    .split("/")
    .slice(0, /^(packages|services)\//.test(path) ? 2 : 1)
    .join("/");

if (import.meta.main) {
  const listed = execFileSync("git", [
    "ls-files",
    "--cached",
    "--others",
    "--exclude-standard",
    "-z",
    "*.ts",
  ]);
  const files = listed
    .toString()
    .split("\0")
    .filter((file) => file !== "" && !file.includes("/generated/"));
  const faults = files.flatMap((file) => importFaults(file, readFileSync(file, "utf8")));
  for (const fault of faults) console.error(fault);
  if (files.length === 0) console.error("check-imports found no files to check.");
  process.exitCode = faults.length > 0 || files.length === 0 ? 1 : 0;
}
