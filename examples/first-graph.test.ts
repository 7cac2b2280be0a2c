import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the first graph gives what arithmetic on paper gives, in one session and in two", async () => {
  const file = join(import.meta.dirname, "first-graph.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  // W·x + b = [3 - 1 + 0.5, 1.5 + 2 - 4], and [-1 - 2 + 0.5, -0.5 + 8 - 4] for the other x.
  expect(stdout).toContain("relu(W·x + b) = Float32Array(2) [ 2.5, 0 ]");
  expect(stdout).toContain("side by side: relu(W·x + b) = Float32Array(2) [ 0, 3.5 ]");
  // e³ / (e³ + 2e) = e² / (e² + 2) = 0.78699.
  expect(stdout).toMatch(/softmax\(x\) = Float32Array\(3\) \[\s*0\.78698/);
});
