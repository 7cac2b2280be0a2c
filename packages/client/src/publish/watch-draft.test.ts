import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub } from "../index.ts";
import { FaultyHub } from "./faulty-hub.ts";

let hub: FaultyHub;
beforeEach(async () => {
  hub = new FaultyHub();
  await hub.start();
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
});

const watch = () => Array.fromAsync(new Hub({ url: hub.url }).watchDraft("d1"));
const asked = (line: string) => hub.requests.filter((request) => request.line === line).length;
const published = { kind: "state", draft: { state: "published", version: 4 } };

test("a draft is watched by the hub's events alone, and what a newer hub tells is passed over", async () => {
  expect(await watch()).toMatchObject([
    { kind: "state", draft: { state: "verifying" } },
    { kind: "progress", step: "inspecting" },
    published,
  ]);
  expect(asked("GET /v1/drafts/d1")).toBe(0);
});

test("where events break off, the draft is asked for, and told once", async () => {
  hub.events = "broken";
  expect(await watch()).toMatchObject([{ draft: { state: "verifying" } }, published]);
  expect(asked("GET /v1/drafts/d1/events")).toBe(1);
  expect(asked("GET /v1/drafts/d1")).toBe(1);
});

test.each(["absent", "page"] as const)(
  "where events are %s, the draft is asked for instead",
  async (events) => {
    hub.events = events;
    expect(await watch()).toMatchObject([published]);
    expect(asked("GET /v1/drafts/d1/events")).toBe(1);
  },
);

test("where something between keeps events back, the draft is asked for after a few seconds", async () => {
  hub.events = "kept-back";
  const began = performance.now();
  expect(await watch()).toMatchObject([published]);
  expect(performance.now() - began).toBeLessThan(8_000);
});

test("a draft that isn't there is told by its problem", async () => {
  await expect(Array.fromAsync(new Hub({ url: hub.url }).watchDraft("d2"))).rejects.toMatchObject({
    code: "not-found",
  });
});

test("a watch that is aborted ends with the signal's reason", async () => {
  hub.events = "kept-back";
  const stop = new AbortController();
  const watching = Array.fromAsync(new Hub({ url: hub.url }).watchDraft("d1", stop.signal));
  setTimeout(() => stop.abort(new Error("enough")), 50);
  await expect(watching).rejects.toThrow("enough");
});
