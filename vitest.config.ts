import { defineConfig } from "vitest/config";

/** What is waited for comes in a moment; on a machine that does much else, later. */
const expect = { poll: { timeout: 10_000 } };

/** `unit` is what `npm test` runs; the slow projects have scripts of their own and run in CI. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          expect,
          include: [
            "{packages,services}/*/src/**/*.test.ts",
            "scripts/**/*.test.ts",
            "examples/**/*.test.ts",
          ],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          expect,
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 240_000,
          // Each file starts a hub of its own; two cores run one at a time.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "faults",
          expect,
          include: ["test/faults/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "client",
          expect,
          include: ["test/client/**/*.test.ts"],
          // Packing and installing take minutes on a busy machine; nothing here is about speed.
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "web",
          expect,
          include: ["test/web/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "models",
          expect,
          include: ["test/models/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
    pool: "forks",
    maxWorkers: 2,
  },
});
