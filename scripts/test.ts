/**
 * `npm test`: formatting and lint, types, import boundaries, then the unit suite; with `--project NAME`,
 * that vitest project alone. The last line is `N passed, N failed`, counting each check as one.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { project: { type: "string", default: "unit" } },
  allowPositionals: true,
});

const CHECKS: Record<string, [command: string, ...args: string[]]> = {
  "format and lint": ["biome", "check", "--error-on-warnings", "."],
  types: ["tsc", "-p", "."],
  "import boundaries": [process.execPath, "scripts/check-imports.ts"],
};

let passed = 0;
let failed = 0;

function run(command: string, args: string[]): boolean {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", shell: false });
  if (error) console.error(`${command} could not be started: ${error.message}`);
  return status === 0;
}

if (values.project === "unit" && positionals.length === 0)
  for (const [name, [command, ...args]] of Object.entries(CHECKS)) {
    const ok = run(command, args);
    console.log(`${ok ? "✓" : "✗"} ${name}`);
    if (ok) passed += 1;
    else failed += 1;
  }

const folder = mkdtempSync(join(tmpdir(), "modulehub-test-"));
const report = join(folder, "report.json");
const ok = run("vitest", [
  "run",
  `--project=${values.project}`,
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...positionals,
]);
let skipped = 0;
try {
  const counts = JSON.parse(readFileSync(report, "utf8")) as Record<string, number>;
  passed += counts.numPassedTests ?? 0;
  failed += counts.numFailedTests ?? 0;
  skipped = (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0);
} catch (error) {
  console.error("vitest left no report:", error);
}
// A suite that can't be loaded, or an error outside any test, fails the run without failing a test.
if (!ok && failed === 0) failed = 1;
rmSync(folder, { recursive: true });

process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
