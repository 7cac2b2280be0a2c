import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { EMPTY_REVISION } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub } from "../hub.ts";

/** sha256 of "a" and of "b", as sha256sum prints them. */
const A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
const B = "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
const REVISION = "1".repeat(40);

interface Asked {
  line: string;
  body: unknown;
}
let server: Server;
let hub: Hub;
let asked: Asked[];
let head: object | undefined;
let missing: string[];

const answer = (files: object[], more: object = {}) => ({
  module: "acme/words",
  revision: REVISION,
  state: "waiting",
  fileCount: files.length,
  bytes: files.length,
  files,
  ...more,
});

const UPLOAD = { id: "u", partSize: 8, parts: [], received: [] };

beforeEach(async () => {
  asked = [];
  missing = [];
  head = answer([{ path: "a.txt", size: 1, digest: A }]);
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const line = `${request.method} ${request.url}`;
    const isPart = line.startsWith("PUT");
    asked.push({ line, body: text === "" || isPart ? text : JSON.parse(text) });
    const send = (status: number, body: object) => {
      response.writeHead(status, {
        "content-type": status < 400 ? "application/json" : "application/problem+json",
      });
      response.end(JSON.stringify(body));
    };
    const refuse = (status: number, code: string, more: object = {}) =>
      send(status, { type: "x", title: code, status, code, ...more });
    if (line === "GET /v1/modules/acme/words/head")
      return head === undefined ? refuse(404, "module-not-found") : send(200, head);
    if (line.startsWith("GET /v1/modules/acme/words/head?cursor="))
      return send(200, answer([{ path: "z.txt", size: 1, digest: B }]));
    if (line === "POST /v1/modules/acme/words/head/commits") {
      if (missing.length === 0) return send(201, answer([]));
      const errors = missing.map((path) => ({ path, message: "missing" }));
      missing = [];
      return refuse(409, "blobs-missing", { errors });
    }
    if (line === "POST /v1/uploads")
      return send(201, { ...UPLOAD, state: "open", parts: [{ n: 1, url: "/part" }] });
    if (line === "POST /v1/uploads/u/complete") return send(200, { ...UPLOAD, state: "stored" });
    return send(200, {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hub = new Hub({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "t" });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const commits = () => asked.filter(({ line }) => line.endsWith("/commits")).map(({ body }) => body);

test("only what differs from the head is put, on top of the revision that was read", async () => {
  await hub.commit("acme/words", { "a.txt": "a", "b.txt": "b" }, { message: "More" });
  expect(commits()).toEqual([
    {
      parent: REVISION,
      operations: [{ kind: "put", path: "b.txt", size: 1, digest: B }],
      message: "More",
    },
  ]);
});

test("a mirror deletes what the source hasn't, on every page of the head, and folders are deleted whole", async () => {
  head = answer([{ path: "a.txt", size: 1, digest: A }], { next: "2" });
  await hub.commit("acme/words", { "b.txt": "b" }, { mirror: true, delete: ["old/"] });
  expect(commits()).toEqual([
    {
      parent: REVISION,
      operations: [
        { kind: "delete-folder", path: "old" },
        { kind: "delete", path: "a.txt" },
        { kind: "delete", path: "z.txt" },
        { kind: "put", path: "b.txt", size: 1, digest: B },
      ],
    },
  ]);
});

test("bytes that the hub lacks are sent, and the same commit is sent again", async () => {
  head = undefined;
  missing = ["b.txt"];
  await hub.commit("acme/words", { "a.txt": "a", "b.txt": "b" }, { visibility: "public" });
  const [first, second] = commits();
  expect(first).toMatchObject({ parent: EMPTY_REVISION, visibility: "public" });
  expect(second).toEqual(first);
  const lines = asked.map(({ line }) => line);
  expect(lines.filter((line) => line.includes("upload") || line.includes("part"))).toEqual([
    "POST /v1/uploads",
    "PUT /part",
    "POST /v1/uploads/u/complete",
  ]);
  expect(asked.find(({ line }) => line === "PUT /part")?.body).toBe("b");
});
