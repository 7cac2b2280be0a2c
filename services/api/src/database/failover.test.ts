import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresqlServer, startPostgresql } from "../testing/postgresql-server.ts";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { type Database, openDatabase } from "./client.ts";
import { migrate } from "./migrate.ts";

let server: PostgresqlServer | undefined;
let database: Database;
let hub: TestHub;
beforeAll(async () => {
  server = await startPostgresql();
  if (server === undefined) return;
  database = await openDatabase({ kind: "postgresql", url: server.url });
  await migrate(database);
  hub = await startTestHub({ database });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/words", moduleFiles("one"));
}, 120_000);
afterAll(async () => {
  await hub?.close();
  await server?.stop();
});

test("a database that dies in the middle of a transaction costs that request, and the API goes on by itself", async (context) => {
  if (server === undefined) context.skip("PostgreSQL is not installed");
  const { prisma } = database;
  // A request that waits inside its transaction for the module's row, when the database dies.
  let locked = () => {};
  const holding = new Promise<void>((resolve) => {
    locked = resolve;
  });
  const holder = prisma
    .$transaction(
      async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM module FOR UPDATE`;
        locked();
        await tx.$queryRaw`SELECT 1 FROM pg_sleep(60)`;
      },
      { timeout: 90_000 },
    )
    .catch((error: unknown) => error);
  await holding;
  const change = () => ask(hub, "POST", "/v1/modules/acme/words/versions/1/yank", { reason: "tried" });
  const waiting = change();
  for (let waiters = 0n; waiters === 0n; )
    [{ waiters }] = await prisma.$queryRaw<[{ waiters: bigint }]>`
      SELECT count(*) AS waiters FROM pg_locks WHERE NOT granted`;
  await server!.kill();
  const broken = await waiting;
  expect([broken.status, broken.body.code]).toEqual([503, "database-unavailable"]);
  expect(broken.headers.get("retry-after")).toMatch(/^\d+$/);
  const away = await ask(hub, "GET", "/v1/modules/acme/words/versions");
  expect([away.status, away.body.code]).toEqual([503, "database-unavailable"]);
  expect((await ask(hub, "GET", "/health/ready")).status).toBe(503);
  expect((await ask(hub, "GET", "/health/live")).status).toBe(200);
  expect(await holder).toBeInstanceOf(Error);
  await server!.start();
  const listed = await ask<{ items: { yanked?: unknown }[] }>(hub, "GET", "/v1/modules/acme/words/versions");
  expect(listed.body.items.map(({ yanked }) => yanked)).toEqual([undefined]);
  expect((await change()).status).toBe(200);
  expect((await publish(hub, "acme/words", moduleFiles("two"))).version).toBe(2);
}, 120_000);
