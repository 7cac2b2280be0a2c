import { expect, test } from "vitest";
import { settingsSchema } from "./settings.ts";

// Node's documentation of timers: a delay of more than 2147483647 ms is taken for 1 ms.
test("a job's time is at most what a timer can wait, so that none is over as soon as it begins", () => {
  const longest = Math.floor(2_147_483_647 / 1_000);
  const read = (seconds: number) => settingsSchema.safeParse({ MODULEHUB_JOB_SECONDS: String(seconds) });
  expect(read(longest).data?.MODULEHUB_JOB_SECONDS).toBe(longest);
  expect(read(longest + 1).error?.issues).toMatchObject([{ path: ["MODULEHUB_JOB_SECONDS"] }]);
});
