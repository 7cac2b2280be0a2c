import { type ChildProcess, fork } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { affine } from "./testing/graphs.ts";
import { plainSignature, temporaryFolder, testModule } from "./testing/modules.ts";

const TOKEN = "a-token-for-tests-only";
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const row = { dtype: "float32" as const, shape: ["batch", 3] };
const module = testModule(affine(), { signatures: plainSignature(row, row) });

/** A hub's API as far as a worker knows it. */
async function hub(): Promise<{ url: string; tokens: Set<string | undefined>; server: Server }> {
  const tokens = new Set<string | undefined>();
  const server = createServer((request, response) => {
    tokens.add(request.headers.authorization);
    const [, kind, digest] =
      /^\/internal\/(contents|blobs)\/(.+)$/.exec(decodeURIComponent(request.url ?? "")) ?? [];
    const blob = [...module.blobs].find(([name]) => name === digest)?.[1];
    if (kind === "contents" && digest === module.digest)
      response.end(JSON.stringify({ digest, files: module.files, batching: {} }));
    else if (kind === "blobs" && blob) response.end(blob);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, tokens, server };
}

async function start(
  hubUrl: string,
): Promise<{ child: ChildProcess; url: string; ended: Promise<number | null> }> {
  const { folder, remove } = await temporaryFolder();
  const child = fork(new URL("./main.ts", import.meta.url), {
    env: {
      PATH: process.env.PATH,
      MODULEHUB_WORKER_PORT: "0",
      MODULEHUB_HUB_URL: hubUrl,
      MODULEHUB_WORKER_TOKEN: TOKEN,
      MODULEHUB_CACHE: folder,
      MODULEHUB_LOG_LEVEL: "silent",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await ended;
    await remove();
  });
  const url = await new Promise<string>((resolve) =>
    child.on("message", (message: { kind: string; url: string }) => {
      if (message.kind === "listening") resolve(message.url);
    }),
  );
  return { child, url, ended };
}

const ask = (url: string) =>
  fetch(`${url}/v1/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/json",
      "modulehub-digest": module.digest,
      "modulehub-module": "a/b",
      "modulehub-version": "1",
    },
    body: JSON.stringify({ inputs: { x: [[1, 2, 3]] } }),
  });

test("the worker says where it listens, fetches modules with its token, and ends cleanly on SIGTERM", async () => {
  const { url: hubUrl, tokens } = await hub();
  const { child, url, ended } = await start(hubUrl);
  const answer = await ask(url);
  expect(await answer.json()).toMatchObject({ outputs: { y: { data: [3, 5, 7] } } });
  expect([...tokens]).toEqual([`Bearer ${TOKEN}`]);
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});

test("the worker ends when who started it is gone", async () => {
  const { url: hubUrl } = await hub();
  const { child, ended } = await start(hubUrl);
  child.disconnect();
  expect(await ended).toBe(0);
});

test("a module that is loaded keeps answering while the hub is away; others get 503", async () => {
  const { url: hubUrl, server } = await hub();
  const { url } = await start(hubUrl);
  expect((await ask(url)).status).toBe(200);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect((await ask(url)).status).toBe(200);
  const other = await fetch(`${url}/v1/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/json",
      "modulehub-digest": `sha256:${"1".repeat(64)}`,
      "modulehub-version": "1",
    },
    body: "{}",
  });
  expect(other.status).toBe(503);
  expect(await other.json()).toMatchObject({ code: "store-unavailable" });
});
