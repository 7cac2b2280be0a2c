import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { buildApp } from "../app.ts";
import { createRowNews } from "../database/row-news.ts";
import { accepted } from "../testing/fake-worker.ts";
import {
  ask,
  type DraftBody,
  listOf,
  moduleFiles,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";
import type { DraftEvent } from "./draft-events.ts";
import { expireDrafts } from "./expiry.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  for (const id of ["acme", "other", "listed"]) await ask(hub, "POST", "/v1/publishers", { id });
}, 60_000);
afterAll(() => hub.close());
beforeEach(() => {
  hub.worker.behaviour.inspect = accepted;
});

const WEEK = 7 * 24 * 3_600_000;

/** An inspection that goes on until it is told to end, and how to know that it began, and was given up. */
function endlessInspection(): { begun: Promise<void>; finish: () => void } {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<ReturnType<typeof accepted>>();
  hub.worker.behaviour.inspect = () => {
    begun.resolve();
    return end.promise;
  };
  return { begun: begun.promise, finish: () => end.resolve(accepted()) };
}

interface Page {
  items: { id: string; module: string; state: string; files: number; bytes: number; problems: string[] }[];
  next?: string;
}

test("drafts are listed newest first, page by page, by module and by state", async () => {
  const ids: string[] = [];
  for (const seed of ["one", "two", "three"]) {
    const draft = await prepareDraft(hub, "listed/a", moduleFiles(`listed ${seed}`));
    ids.unshift(draft.body.id);
    // The order is by milliseconds.
    await sleep(2);
  }
  const other = await prepareDraft(hub, "listed/b", moduleFiles("listed b"));
  await ask(hub, "DELETE", `/v1/drafts/${ids[0]}`);
  const list = async (query: string) => (await ask<Page>(hub, "GET", `/v1/drafts?${query}`)).body;

  const pages: string[] = [];
  let cursor = "";
  do {
    const page = await list(`module=listed/a&limit=1${cursor}`);
    pages.push(...page.items.map(({ id }) => id));
    cursor = page.next === undefined ? "" : `&cursor=${page.next}`;
  } while (cursor !== "");
  expect(pages).toEqual(ids);
  expect((await list("module=listed/a&state=uploading")).items.map(({ id }) => id)).toEqual(ids.slice(1));
  expect((await list("limit=1")).items).toMatchObject([{ id: other.body.id, module: "listed/b" }]);
  const sizes = Object.values(moduleFiles("listed b")).map((text) => Buffer.byteLength(text));
  expect((await list("module=listed/b")).items).toMatchObject([
    { files: 3, bytes: sizes.reduce((sum, size) => sum + size), problems: [] },
  ]);
  expect(await list("module=listed/none")).toEqual({ items: [] });
});

test("a list of drafts is for those who may write, and its cursor can't be made up", async () => {
  expect(await ask(hub, "GET", "/v1/drafts", undefined, {})).toMatchObject({ status: 401 });
  for (const query of ["cursor=MQ", "cursor=WyJub3ciLCJ4Il0", "state=done", "limit=0"])
    expect(await ask(hub, "GET", `/v1/drafts?${query}`)).toMatchObject({
      status: 400,
      body: { code: "invalid-request" },
    });
});

test("a draft can be cancelled while it is verified: the inspection is given up, and makes no version", async () => {
  const inspection = endlessInspection();
  const draft = await prepareDraft(hub, "acme/stopped", moduleFiles("stopped"));
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await inspection.begun;
  const cancelled = await ask<DraftBody>(hub, "DELETE", `/v1/drafts/${draft.body.id}`);
  expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled" } });
  const given = () => hub.log.some((line) => line.includes("given up") && line.includes(draft.body.id));
  for (let tries = 0; !given() && tries < 200; tries++) await sleep(25);
  expect(given()).toBe(true);
  inspection.finish();
  expect((await ask(hub, "GET", `/v1/drafts/${draft.body.id}`)).body).toMatchObject({ state: "cancelled" });
  expect((await ask(hub, "GET", "/v1/modules/acme/stopped/versions")).body).toEqual({ items: [] });
  const { prisma } = hub.deps.database;
  expect(await prisma.blobReference.count({ where: { holderId: draft.body.id } })).toBe(0);
  // The place is free for the next.
  hub.worker.behaviour.inspect = accepted;
  expect(await publish(hub, "acme/stopped", moduleFiles("stopped"))).toMatchObject({ version: 1 });
});

test("a draft that nobody publishes expires, and holds nothing any more", async () => {
  const draft = await prepareDraft(hub, "acme/abandoned", moduleFiles("abandoned"));
  const { database } = hub.deps;
  const events = createRowNews<DraftEvent>();
  expect(await expireDrafts(database, events)).toBe(0);
  await expireDrafts(database, events, new Date(Date.now() + WEEK + 60_000));
  const expired = await ask<DraftBody>(hub, "GET", `/v1/drafts/${draft.body.id}`);
  expect(expired.body).toMatchObject({ state: "expired", missing: [] });
  expect(await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`)).toMatchObject({
    status: 409,
    body: { code: "draft-state" },
  });
  expect(await database.prisma.blobReference.count({ where: { holderId: draft.body.id } })).toBe(0);
});

test("a draft that is being verified does not expire, however late it is", async () => {
  const inspection = endlessInspection();
  const draft = await prepareDraft(hub, "acme/late", moduleFiles("late"));
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await inspection.begun;
  await expireDrafts(hub.deps.database, createRowNews<DraftEvent>(), new Date(Date.now() + WEEK + 60_000));
  inspection.finish();
  expect(await settled(hub, draft.body.id)).toMatchObject({ state: "published", version: 1 });
});

test("a stream of events ends when its reader's token is revoked", async () => {
  const writer = await hub.tokenOf("writer", "acme");
  const { body } = await prepareDraft(hub, "acme/watched", moduleFiles("watched"));
  const response = await fetch(`${hub.url}/v1/drafts/${body.id}/events`, { headers: writer });
  expect(response.status).toBe(200);
  const me = await ask<{ token: { id: string } }>(hub, "GET", "/v1/me", undefined, writer);
  await ask(hub, "DELETE", `/v1/tokens/${me.body.token.id}`);
  // The draft goes on: without the end of the stream this waits for ever.
  expect(await response.text()).toContain("event: state");
}, 30_000);

/** Reads events until the stream ends, or until `enough` says so. */
async function readEvents(
  id: string,
  headers: Record<string, string> = {},
  url = hub.url,
  onFirst: () => void = () => undefined,
): Promise<{ status: number; events: { event: string; id?: string; data: DraftBody }[] }> {
  const response = await fetch(`${url}/v1/drafts/${id}/events`, { headers: { ...hub.admin, ...headers } });
  let text = "";
  const chunks = response.body?.pipeThrough(new TextDecoderStream()) ?? [];
  for await (const chunk of chunks) {
    text += chunk;
    // The stream begins with how soon to try again, which is no event.
    if (/^data: .*\n\n/m.test(text)) onFirst();
  }
  const events = text.split("\n\n").flatMap((block) => {
    const fields = Object.fromEntries(
      block.split("\n").flatMap((line) => {
        const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? [];
        return name === undefined ? [] : [[name, value]];
      }),
    );
    return fields.data === undefined
      ? []
      : [{ event: fields.event!, id: fields.id, data: JSON.parse(fields.data) as DraftBody }];
  });
  return { status: response.status, events };
}

test("whoever connects again is told the state, and after the end that there is nothing more", async () => {
  const draft = await publish(hub, "acme/reconnect", moduleFiles("reconnect"));
  const first = await readEvents(draft.id);
  expect(first.events).toMatchObject([{ event: "state", data: { state: "published", version: 1 } }]);
  const again = await readEvents(draft.id, { "last-event-id": first.events[0]!.id! });
  expect(again).toEqual({ status: 204, events: [] });
  expect((await readEvents(draft.id, { "last-event-id": "0-uploading" })).events).toHaveLength(1);
  expect(await ask(hub, "GET", "/v1/drafts/none/events")).toMatchObject({
    status: 404,
    body: { code: "draft-not-found" },
  });
});

test("a reader that takes nothing for a while is told the latest state when it reads again", async () => {
  // 8,000 missing files make a state of over 500 kB, more than sockets on loopback hold in a buffer or two.
  const files = Object.fromEntries(
    Array.from({ length: 8_000 }, (_, index) => [`a/${index}`, `bytes ${index}`]),
  );
  const list = { ...moduleFiles("slow"), ...files };
  const draft = await ask<DraftBody>(hub, "POST", "/v1/modules/acme/slow/drafts", { files: listOf(list) });
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.write(
    `GET /v1/drafts/${draft.body.id}/events HTTP/1.1\r\nHost: hub\r\nAuthorization: ${hub.admin.authorization}\r\n\r\n`,
  );
  await sleep(300);
  await ask(hub, "DELETE", `/v1/drafts/${draft.body.id}`);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const read = Promise.withResolvers<void>();
  socket.on("data", () => /"state":"cancelled"/.test(text) && read.resolve());
  socket.resume();
  await read.promise;
  socket.destroy();
  expect(text.length).toBeLessThan(2_000_000);
});

test("a stream ends when the API stops, and the reader learns the rest from the next", async () => {
  const inspection = endlessInspection();
  const draft = await prepareDraft(hub, "acme/stopping", moduleFiles("stopping"));
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await inspection.begun;
  const first = Promise.withResolvers<void>();
  const reading = readEvents(draft.body.id, {}, hub.url, first.resolve);
  await first.promise;
  hub.worker.behaviour.inspect = accepted;
  await hub.restart();
  const heard = (await reading).events.filter(({ data }) => data.state !== undefined);
  expect(heard.at(-1)?.data.state).toBe("verifying");
  expect((await readEvents(draft.body.id)).events.at(-1)?.data.state).toBe("published");
}, 60_000);

test("a draft can be watched at one replica while another does the work", async () => {
  // The same database and store behind a second API; PGlite has one process, so both are in this one.
  const app = await buildApp({ ...hub.deps, database: { ...hub.deps.database, exclusive: false } });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const draft = await prepareDraft(hub, "acme/replicas", moduleFiles("replicas"));
  const reading = readEvents(draft.body.id, {}, url);
  await sleep(200);
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  const states = (await reading).events.flatMap(({ data }) => data.state ?? []);
  expect([states[0], states.at(-1)]).toEqual(["uploading", "published"]);
  await app.close();
}, 60_000);
