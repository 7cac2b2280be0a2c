import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { problem } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub, isProblem } from "../index.ts";

let server: Server;
let hub: Hub;
let asked: string[] = [];
/** Answers by how often was asked. */
let answer: (count: number) => object;

const found = (name: string) => ({
  module: `acme/${name}`,
  publisher: "acme",
  visibility: "public",
  createdAt: "2026-01-01T00:00:00.000Z",
});

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer(asked.length)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hub = new Hub({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test("search asks for the next page when the one before has been read, and not earlier", async () => {
  answer = (count) =>
    count === 1 ? { items: [found("a"), found("b")], next: "after b" } : { items: [found("c")] };
  const names: string[] = [];
  for await (const { module } of hub.search({ publisher: "acme" }, { pageSize: 2 })) {
    names.push(`${module} after ${asked.length}`);
  }
  expect(names).toEqual(["acme/a after 1", "acme/b after 1", "acme/c after 2"]);
  expect(asked).toEqual([
    "/v1/modules?publisher=acme&limit=2",
    "/v1/modules?publisher=acme&limit=2&cursor=after+b",
  ]);
});

test("filters are sent by their names, those with several values once for each", async () => {
  answer = () => ({ items: [] });
  await Array.fromAsync(hub.search("mini lm"));
  await Array.fromAsync(
    hub.search({ q: "a&b", task: "text-embedding", language: ["en", "de"], license: [], sort: "recent" }),
  );
  await hub.listModules({ input: "text:string", facets: true, limit: 1 });
  expect(asked).toEqual([
    "/v1/modules?q=mini+lm",
    "/v1/modules?q=a%26b&task=text-embedding&language=en&language=de&sort=recent",
    "/v1/modules?input=text%3Astring&facets=true&limit=1",
  ]);
});

test("pages that never end are noticed", async () => {
  answer = () => ({ items: [found("a")], next: "same" });
  await expect(Array.fromAsync(hub.search())).rejects.toThrow("names itself as the next");
});

test("isProblem tells refusals by their code", () => {
  const gone: unknown = problem("gone");
  expect(isProblem(gone)).toBe(true);
  expect(isProblem(gone, "module-not-found", "gone")).toBe(true);
  expect(isProblem(gone, "module-not-found")).toBe(false);
  expect(isProblem(new Error("gone"))).toBe(false);
});
