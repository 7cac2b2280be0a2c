import { expect, test } from "vitest";
import { command } from "./hub.ts";

/**
 * Engines of one module end 100 times under load, by SIGKILL, by SIGSEGV and by what takes more memory than there is.
 * `npm run bench -- serving --only kills --count 1000` is the same as a soak.
 */
test("while engines of one module are killed 100 times, no request to another fails, and its own fail cleanly if at all", async () => {
  const { code, stdout, stderr } = await command(process.execPath, [
    "bench/main.ts",
    "serving",
    "--only",
    "kills",
    "--count",
    "100",
    "--json",
  ]);
  expect(code, stderr).toBe(0);
  const figures: Record<string, number> = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
  expect(figures, stdout).toMatchObject({ killsOthersFailed: 0, killsUnclean: 0 });
}, 300_000);
