import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PostgresqlServer, startPostgresql } from "../testing/postgresql-server.ts";
import { smallDisk } from "../testing/small-disk.ts";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { type Database, openDatabase } from "./client.ts";
import { migrate } from "./migrate.ts";

/** PostgreSQL whose disk is full: a small file system in memory, which takes root. */

const disk = smallDisk(200);
let server: PostgresqlServer | undefined;
let database: Database;
let hub: TestHub;
beforeAll(async () => {
  if (disk !== undefined) server = await startPostgresql({ folder: disk.folder });
  if (server === undefined) {
    console.info(
      `PostgreSQL on a full disk is not tested: ${disk ? "it is not installed" : "no file system can be mounted here"}.`,
    );
    return;
  }
  database = await openDatabase({ kind: "postgresql", url: server.url });
  await migrate(database);
  hub = await startTestHub({ database });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 120_000);
afterAll(async () => {
  await hub?.close();
  await server?.stop();
  disk?.remove();
});

interface Body {
  id?: string;
  code?: string;
  detail?: string;
}
const open = () => ask<Body>(hub, "POST", "/v1/uploads", { publisher: "acme", size: 5 });

describe.runIf(disk !== undefined)("with a full disk below PostgreSQL", () => {
  test("writing is refused with what to do, reading goes on, and it goes on by itself when there is room", async (context) => {
    if (server === undefined) context.skip("PostgreSQL is not installed");
    expect(await publish(hub, "acme/words", moduleFiles("one"))).toMatchObject({ version: 1 });
    const opened: string[] = [];
    disk?.fill();
    let refusal: Awaited<ReturnType<typeof open>> | undefined;
    for (let tries = 0; refusal === undefined && tries < 3_000; tries++) {
      const answer = await open();
      if (answer.status === 201) opened.push(answer.body.id!);
      else refusal = answer;
    }
    expect(refusal).toMatchObject({ status: 503, body: { code: "database-unavailable" } });
    expect(refusal!.body.detail).toContain("full; make room");
    const file = "/v1/modules/acme/words/versions/1/files/model.onnx";
    const read = await fetch(hub.url + file, { headers: hub.admin });
    expect([read.status, await read.text()]).toEqual([200, "graph one"]);
    expect((await ask(hub, "GET", "/v1/modules?q=words")).status).toBe(200);
    disk?.makeRoom();
    expect(await publish(hub, "acme/words", moduleFiles("two"))).toMatchObject({ version: 2 });
    for (const id of opened) expect((await ask(hub, "GET", `/v1/uploads/${id}`)).status).toBe(200);
  }, 120_000);

  test("where its log can't grow it ends, nothing that was answered is lost, and the API waits for it", async (context) => {
    if (server === undefined) context.skip("PostgreSQL is not installed");
    const { id } = (await open()).body;
    disk?.fill();
    const client = new pg.Client({ connectionString: server!.url });
    client.on("error", () => undefined);
    await client.connect();
    // What a server does by itself when a segment of its log is full, or old.
    for (let tries = 0; tries < 20; tries++)
      if (
        await client.query("SELECT pg_switch_wal()").then(
          () => false,
          () => true,
        )
      )
        break;
    await client.end().catch(() => undefined);
    expect(await open()).toMatchObject({ status: 503, body: { code: "database-unavailable" } });
    expect((await fetch(`${hub.url}/health/live`)).status).toBe(200);
    disk?.makeRoom();
    // What an operator does; a server that came back by itself is ended first.
    await server!.kill();
    await server!.start();
    expect((await ask(hub, "GET", `/v1/uploads/${id}`)).status).toBe(200);
    expect(await publish(hub, "acme/words", moduleFiles("three"))).toMatchObject({ version: 3 });
  }, 120_000);
});
