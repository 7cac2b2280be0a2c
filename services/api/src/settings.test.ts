import { expect, test } from "vitest";
import { settingsSchema } from "./settings.ts";

// Node's documentation of timers: a delay of more than 2147483647 ms is taken for 1 ms.
test("a job's time is at most what a timer can wait, so that none is over as soon as it begins", () => {
  const longest = Math.floor(2_147_483_647 / 1_000);
  const read = (seconds: number) => settingsSchema.safeParse({ MODULEHUB_JOB_SECONDS: String(seconds) });
  expect(read(longest).data?.MODULEHUB_JOB_SECONDS).toBe(longest);
  expect(read(longest + 1).error?.issues).toMatchObject([{ path: ["MODULEHUB_JOB_SECONDS"] }]);
});

// PostgreSQL's and JavaScript's dates end hundreds of thousands of years from now; what is subtracted must stay within.
test.each([
  ["MODULEHUB_GC_GRACE", 300],
  ["MODULEHUB_JOB_RETENTION", 60],
])("%s is a hundred years at most, so that no sweep asks for a time that there is none of", (name, least) => {
  const century = 100 * 365.25 * 24 * 3_600;
  const read = (seconds: number) => settingsSchema.safeParse({ [name]: String(seconds) });
  for (const seconds of [least, century]) expect(read(seconds).success).toBe(true);
  for (const seconds of [least - 1, century + 1, 1e15])
    expect(read(seconds).error?.issues).toMatchObject([{ path: [name] }]);
});
