import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accepted, type FakeWorker, startFakeWorker } from "./testing/fake-worker.ts";
import { startPostgresql } from "./testing/postgresql-server.ts";
import { ask, moduleFiles, prepareDraft, publish, settled, type TestHub } from "./testing/test-hub.ts";

const WORKER_TOKEN = "a-worker-token-for-tests";
let data: string;
let worker: FakeWorker;
const children: ChildProcess[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "modulehub-main-"));
  worker = await startFakeWorker(WORKER_TOKEN);
});
const postgresql = await startPostgresql();
if (postgresql === undefined) console.log("PostgreSQL is not installed: a database that hangs is not tried");
afterAll(async () => {
  await postgresql?.kill();
  await postgresql?.stop();
  for (const child of children) child.kill("SIGKILL");
  await worker.close();
  await rm(data, { recursive: true, force: true });
});

function start(settings: Record<string, string> = {}): ChildProcess {
  const child = fork(join(import.meta.dirname, "main.ts"), {
    env: {
      PATH: process.env.PATH,
      MODULEHUB_DATA: data,
      MODULEHUB_PORT: "0",
      MODULEHUB_LOG_LEVEL: "error",
      MODULEHUB_WORKER_URL: worker.url,
      MODULEHUB_WORKER_TOKEN: WORKER_TOKEN,
      ...settings,
    },
    silent: true,
  });
  children.push(child);
  return child;
}

/** The started API, as the test hub's functions take it. */
async function listening(child: ChildProcess): Promise<Pick<TestHub, "url" | "admin"> & TestHub> {
  const [message] = (await once(child, "message")) as [{ kind: string; url: string }];
  expect(message.kind).toBe("listening");
  const token = (await readFile(join(data, "admin-token"), "utf8")).trim();
  return { url: message.url, admin: { authorization: `Bearer ${token}` } } as TestHub;
}

const errorsOf = async (child: ChildProcess): Promise<{ code: number | null; text: string }> => {
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return { code, text };
};

test("a killed API finds everything again, and takes up what it was verifying", async () => {
  const first = start();
  const hub = await listening(first);
  expect((await ask(hub, "GET", "/health/ready")).body).toEqual({
    status: "ok",
    database: "ok",
    store: "ok",
    worker: "ok",
  });
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  await publish(hub, "acme/kept", moduleFiles("kept"), { visibility: "public" });
  const inspecting = new Promise<void>((resolve) => {
    worker.behaviour.inspect = () => {
      resolve();
      return new Promise(() => undefined);
    };
  });
  const draft = await prepareDraft(hub, "acme/cut-off", moduleFiles("cut off"));
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await inspecting;
  worker.behaviour.inspect = accepted;

  const refused = await errorsOf(start());
  expect(refused.code).toBe(1);
  expect(refused.text).toContain(`process id ${first.pid};`);

  first.kill("SIGKILL");
  await once(first, "exit");
  const second = start();
  const again = await listening(second);
  expect(await settled(again, draft.body.id)).toMatchObject({ state: "published", version: 1 });
  const file = await fetch(`${again.url}/v1/modules/acme/kept/versions/1/files/model.onnx`);
  expect(await file.text()).toBe("graph kept");

  // A request that is under way when the API is told to stop gets its answer.
  worker.behaviour.infer = (request, response) => {
    request.resume();
    second.kill("SIGTERM");
    setTimeout(() => response.end("late"), 200);
  };
  const late = await fetch(`${again.url}/v1/modules/acme/kept/infer`, { method: "POST", body: "x" });
  expect(await late.text()).toBe("late");
  const [code] = (await once(second, "exit")) as [number | null];
  expect(code).toBe(0);
}, 60_000);

test("settings that do not fit are named, with the list of all", async () => {
  const { code, text } = await errorsOf(
    start({ MODULEHUB_PORT: "high", MODULEHUB_DATABASE_URL: "mysql://x" }),
  );
  expect(code).toBe(2);
  expect(text).toMatch(/MODULEHUB_PORT: .*\n\s+MODULEHUB_DATABASE_URL: must begin with postgres/);
  expect(text).toContain("MODULEHUB_DATA");
});

test("the API ends when nobody reads its log any more either", async () => {
  const child = start({ MODULEHUB_LOG_LEVEL: "info" });
  const hub = await listening(child);
  child.stdout?.destroy();
  for (let call = 0; call < 20; call++) await fetch(`${hub.url}/health/live`);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
}, 30_000);

test("the API ends when the process that started it is gone", async () => {
  const child = start();
  await listening(child);
  child.disconnect();
  // Its last act, after all is closed: what fails on the way ends with 1.
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
}, 30_000);

test.skipIf(postgresql === undefined)(
  "a database that does not answer keeps the API from ending for 13 s at the most",
  async () => {
    const child = start({ MODULEHUB_DATABASE_URL: postgresql?.url ?? "" });
    const ended = errorsOf(child);
    await listening(child);
    postgresql?.freeze();
    child.kill("SIGTERM");
    const { code, text } = await ended;
    expect(code).toBe(1);
    expect(text).toContain("The API did not end within 13 s");
  },
  60_000,
);
