/**
 * `npm test`: formatting and lint, types, import boundaries, then the unit suite; with `--project NAME`,
 * that vitest project alone. Ends with a line `FAILED …` for each test that failed, and `N passed, N failed`,
 * counting each check as one.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
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

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: {
    name: string;
    status: string;
    /** Of what is wrong with the file itself: it can't be loaded, or a hook failed. */
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

let passed = 0;
let failed = 0;
const failures: string[] = [];

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
    else {
      failed += 1;
      failures.push(name);
    }
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
  const counts = JSON.parse(readFileSync(report, "utf8")) as Report;
  passed += counts.numPassedTests;
  failed += counts.numFailedTests;
  skipped = counts.numPendingTests + counts.numTodoTests;
  failures.push(...counts.testResults.flatMap(failuresOf));
} catch (error) {
  console.error("vitest left no report:", error);
}
// A suite that can't be loaded, or an error outside any test, fails the run without failing a test.
failed = Math.max(failed, failures.length, ok ? 0 : 1);
rmSync(folder, { recursive: true });

for (const failure of failures) console.log(`FAILED ${failure}`);
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);

/** Of a file: its tests that failed, or what is wrong with all of it. */
function failuresOf({ name, status, message, assertionResults }: Report["testResults"][number]): string[] {
  const file = relative(process.cwd(), name);
  const tests = assertionResults.filter((test) => test.status === "failed");
  if (tests.length === 0 && status === "failed") return [`${file}: ${firstLine(message)}`];
  return tests.map(
    ({ fullName, failureMessages }) => `${file} > ${fullName}: ${firstLine(failureMessages[0] ?? "")}`,
  );
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
