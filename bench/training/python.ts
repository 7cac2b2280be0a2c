import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const FOLDER = join(ROOT, ".cache/training-python");
const EXECUTABLE = join(FOLDER, "bin/python");

/** Runs one of the scripts beside this file with PyTorch and scikit-learn, and gives the last line that it prints. */
export function python(script: string, args: readonly (string | number)[]): string {
  if (!existsSync(EXECUTABLE)) {
    execFileSync("python3", ["-m", "venv", FOLDER], { stdio: "inherit" });
    const requirements = join(ROOT, "scripts/training/requirements.txt");
    execFileSync(EXECUTABLE, ["-m", "pip", "install", "--quiet", "-r", requirements], { stdio: "inherit" });
  }
  const output = execFileSync(EXECUTABLE, [join(import.meta.dirname, script), ...args.map(String)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return output.trimEnd().split("\n").at(-1) ?? "";
}
