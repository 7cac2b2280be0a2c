import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { call, cleanUp, ROOT, temporaryFolder, until } from "./hub.ts";

/**
 * A hub whose disk is full. Its data folder is a small file system in memory, mounted for its process alone, which
 * takes Linux and root, or a system that lets users make namespaces.
 */

const NAMESPACE = ["--mount", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"])];
const CAN_MOUNT =
  process.platform === "linux" &&
  spawnSync("unshare", [...NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;
if (!CAN_MOUNT)
  console.info("A hub on a full disk is not tested: no file system can be mounted in a namespace here.");

interface SmallHub {
  url: string;
  token: string;
  process: ChildProcess;
  /** The data folder as the hub sees it. */
  data: string;
}

const running: ChildProcess[] = [];
afterAll(async () => {
  // Its group: the shell, and the API that it starts again whenever that ends.
  for (const child of running) process.kill(-child.pid!, "SIGKILL");
  await cleanUp();
});

const isAlive = async (url: string): Promise<boolean> =>
  (await fetch(`${url}/health/live`).catch(() => undefined))?.ok ?? false;

async function startSmall(megabytes: number): Promise<SmallHub> {
  const folder = temporaryFolder();
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const main = join(ROOT, "services/api/src/main.ts");
  const child = spawn(
    "unshare",
    [
      ...NAMESPACE,
      "sh",
      "-c",
      `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && while :; do "$1" "$2"; sleep 1; done`,
      folder,
      process.execPath,
      main,
    ],
    {
      env: {
        PATH: process.env.PATH,
        MODULEHUB_DATA: folder,
        MODULEHUB_PORT: String(port),
        MODULEHUB_LOG_LEVEL: "fatal",
        MODULEHUB_UPLOAD_PART_SIZE: "1048576",
      },
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    },
  );
  running.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until("the API answers", 60, () => isAlive(url));
  const data = join(`/proc/${child.pid}/root`, folder);
  return { url, data, process: child, token: readFileSync(join(data, "admin-token"), "utf8").trim() };
}

/** Takes what room there is, but for so many bytes. */
function fill(hub: SmallHub): void {
  const file = openSync(join(hub.data, "ballast"), "w");
  const chunk = Buffer.alloc(65_536);
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  } finally {
    closeSync(file);
  }
}

interface Answered {
  status: number;
  body: { code?: string; detail?: string; id?: string; received?: number[]; state?: string };
}
const ask = async (hub: SmallHub, method: string, path: string, body?: unknown): Promise<Answered> => {
  const answer = await call(
    hub,
    method,
    path,
    body,
    body instanceof Uint8Array ? { "content-type": "application/octet-stream" } : {},
  );
  return { status: answer.status, body: (await answer.json()) as Answered["body"] };
};

describe.runIf(CAN_MOUNT)("with a full disk", () => {
  test("parts are refused with what to do, reading goes on, and the same upload continues when there is room", async () => {
    const hub = await startSmall(160);
    await ask(hub, "POST", "/v1/publishers", { id: "acme" });
    const bytes = Buffer.alloc(3 * 1_048_576, "full disk ");
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const { body: upload } = await ask(hub, "POST", "/v1/uploads", {
      publisher: "acme",
      size: bytes.length,
      digest,
    });
    const part = (n: number) =>
      ask(
        hub,
        "PUT",
        `/v1/uploads/${upload.id}/parts/${n}`,
        new Uint8Array(bytes.subarray((n - 1) * 1_048_576, n * 1_048_576)),
      );
    expect((await part(1)).status).toBe(200);

    fill(hub);
    expect(await part(2)).toMatchObject({
      status: 503,
      body: { code: "store-unavailable", detail: "The blob store is full; make room, then try again." },
    });
    expect(await ask(hub, "GET", `/v1/uploads/${upload.id}`)).toMatchObject({
      status: 200,
      body: { received: [1] },
    });
    expect((await ask(hub, "GET", "/v1/modules")).status).toBe(200);

    rmSync(join(hub.data, "ballast"));
    for (const n of [2, 3]) expect((await part(n)).status).toBe(200);
    const done = await ask(hub, "POST", `/v1/uploads/${upload.id}/complete`, { digest });
    expect(done).toMatchObject({ status: 200, body: { state: "stored" } });
  });

  test("rows are refused as soon as the database can't grow, and what was answered before is there afterwards, also after a kill", async () => {
    const hub = await startSmall(160);
    await ask(hub, "POST", "/v1/publishers", { id: "acme" });
    const opened: string[] = [];
    const open = () => ask(hub, "POST", "/v1/uploads", { publisher: "acme", size: 5 });
    for (let count = 0; count < 10; count++) opened.push((await open()).body.id!);
    fill(hub);
    let refusal: Answered | undefined;
    for (let tries = 0; refusal === undefined && tries < 2_000; tries++) {
      const answer = await open();
      if (answer.status === 201) opened.push(answer.body.id!);
      else refusal = answer;
    }
    expect(refusal).toMatchObject({ status: 503, body: { code: "database-unavailable" } });
    expect(refusal?.body.detail).toContain("full; make room");
    expect((await ask(hub, "GET", `/v1/uploads/${opened[0]}`)).status).toBe(200);

    const allThere = async () => {
      for (const id of opened) expect((await ask(hub, "GET", `/v1/uploads/${id}`)).status).toBe(200);
    };
    rmSync(join(hub.data, "ballast"));
    expect((await ask(hub, "POST", "/v1/publishers", { id: "after" })).status).toBe(201);
    await allThere();

    fill(hub);
    process.kill(Number(readFileSync(join(hub.data, "lock-holder"), "utf8")), "SIGKILL");
    rmSync(join(hub.data, "ballast"));
    await until("the API answers again", 60, () => isAlive(hub.url));
    await allThere();
    expect((await ask(hub, "GET", "/v1/publishers/after")).status).toBe(200);
  });
});
