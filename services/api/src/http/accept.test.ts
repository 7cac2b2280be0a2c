import type { FastifyReply, FastifyRequest } from "fastify";
import { expect, test } from "vitest";
import { isKnown, wantsPage } from "./accept.ts";

const request = (headers: Record<string, string>, method = "GET") =>
  ({ method, headers }) as unknown as FastifyRequest;

// What browsers and clients really send.
test.each([
  ["Chromium", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true],
  ["Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
  ["curl", "*/*", false],
  ["fetch", "*/*", false],
  ["axios", "application/json, text/plain, */*", false],
  ["JSON liked better", "application/json, text/html;q=0.5", false],
  ["HTML refused", "text/html;q=0, */*", false],
  ["HTML in capitals", "TEXT/HTML", true],
  ["a broken weight", "text/html;q=x", false],
])("%s is answered in the form it asks for", (_, accept, page) => {
  expect(wantsPage(request({ accept }))).toBe(page);
});

test("without Accept, and for what is sent, there is no page", () => {
  expect(wantsPage(request({}))).toBe(false);
  expect(wantsPage(request({ accept: "text/html" }, "POST"))).toBe(false);
  expect(wantsPage(request({ accept: "text/html" }, "HEAD"))).toBe(true);
});

test("a tag is known alone, in a list, weakened by a proxy, and as *", () => {
  const reply = { header: () => reply } as unknown as FastifyReply;
  for (const tag of ['"a"', '"b", "a"', 'W/"a"', "*"])
    expect(isKnown(request({ "if-none-match": tag }), reply, '"a"'), tag).toBe(true);
  expect(isKnown(request({ "if-none-match": '"aa"' }), reply, '"a"')).toBe(false);
  expect(isKnown(request({}), reply, '"a"')).toBe(false);
});
