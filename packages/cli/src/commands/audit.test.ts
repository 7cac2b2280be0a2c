import { afterAll, beforeAll, expect, test } from "vitest";
import { AnsweringHub } from "../answering-hub.ts";
import { runBin } from "../run-bin.ts";

const AT = "2026-11-23T12:00:00.000Z";
const published = {
  id: 8,
  at: AT,
  account: "ada",
  action: "module.publish",
  publisher: "acme",
  module: "acme/words",
  version: 3,
  detail: { draft: "d1", aliases: ["stable"] },
};
const created = { id: 7, at: AT, action: "publisher.create", publisher: "acme", detail: {} };

let hub: AnsweringHub;

beforeAll(async () => {
  hub = await AnsweringHub.start({
    "GET /v1/audit?limit=100&publisher=acme": { items: [published], next: "n1" },
    "GET /v1/audit?cursor=n1&limit=100&publisher=acme": { items: [created] },
    "GET /v1/audit?limit=100&module=acme%2Fwords": { items: [published, created] },
    "GET /v1/audit?limit=100": "forbidden",
  });
});
afterAll(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  runBin(["audit", ...args], { MODULEHUB_URL: hub.url, MODULEHUB_TOKEN: "secret", TZ: "UTC" });

test("a publisher's changes are a line each, over all pages", async () => {
  expect(await run("--publisher", "acme")).toEqual({
    code: 0,
    stdout: [
      '2026-11-23 12:00\tada\tmodule.publish\tacme/words/3\tdraft=d1 aliases=["stable"]',
      "2026-11-23 12:00\t\tpublisher.create\tacme\t",
      "",
    ].join("\n"),
    stderr: "",
  });
});

test("a module's changes stop at the limit, and say in JSON that there are more", async () => {
  const { stdout } = await run("--module", "acme/words", "--limit", "1", "--json");
  expect(JSON.parse(stdout)).toEqual({ items: [published], more: true });
});

test("who may not read of the whole hub is refused", async () => {
  const { code, stdout, stderr } = await run();
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("code forbidden");
});
