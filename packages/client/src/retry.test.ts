import { problem } from "@modulehub/core";
import { expect, test, vi } from "vitest";
import { UnexpectedAnswerError, UnreachableError } from "./connection-error.ts";
import { mayRetry, withRetries } from "./retry.ts";

const unreachable = (code: string) =>
  new UnreachableError("http://hub/", Object.assign(new Error(code), { code }));

test.each([
  ["nobody listens", unreachable("ECONNREFUSED"), true, true],
  ["the connection broke on the way", unreachable("ECONNRESET"), true, false],
  ["the queue is full", problem("too-many-requests"), true, true],
  ["a part of the hub is down", problem("database-unavailable"), true, false],
  [
    "the hub asks for more patience than anyone has",
    problem("module-quarantined", "", { retryAfter: 600 }),
    false,
    false,
  ],
  ["the request is at fault", problem("tensor-invalid"), false, false],
  ["the module crashed", problem("module-crashed"), false, false],
  ["time ran out", problem("deadline-exceeded"), false, false],
  ["a proxy found no hub", new UnexpectedAnswerError("http://hub/", 502, "text/html"), true, false],
  ["a bug", new TypeError("x is not a function"), false, false],
])("when %s, what is safe and what was not sent are tried again or not", (_, error, safe, unsent) => {
  expect([mayRetry(error, "safe"), mayRetry(error, "unsent")]).toEqual([safe, unsent]);
});

test("after five tries the last error is thrown", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    throw unreachable("ECONNREFUSED");
  };
  await expect(withRetries("safe", attempt)).rejects.toThrow("No hub answers");
  expect(tries).toBe(5);
  vi.restoreAllMocks();
});
