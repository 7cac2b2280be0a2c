import { ProblemError } from "@modulehub/core";
import { afterEach, expect, test, vi } from "vitest";
import { fetchDeadline } from "./source.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("fetching that takes a quarter of an hour ends as the store's fault, which can be tried again", () => {
  vi.useFakeTimers();
  const signal = fetchDeadline();
  vi.advanceTimersByTime(899_999);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(signal.reason).toBeInstanceOf(ProblemError);
  expect(signal.reason).toMatchObject({ code: "store-unavailable", retryAfter: 30 });
});
