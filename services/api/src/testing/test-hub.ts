import { hash, randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Digest, digestOfHex, type MemberRole } from "@modulehub/core";
import pg from "pg";
import { type App, type AppDeps, buildApp } from "../app.ts";
import { openFilesystemStore } from "../blobs/filesystem-store.ts";
import { type Database, type DatabaseLocation, openDatabase } from "../database/client.ts";
import { migrate } from "../database/migrate.ts";
import { connectWorker } from "../gateway/worker-client.ts";
import { createIdentity } from "../identity/identity.ts";
import { type FakeWorker, startFakeWorker } from "./fake-worker.ts";
import { putPart } from "./store-parts.ts";

/** A whole API with a worker that can be told to misbehave: PGlite in memory, or PostgreSQL by URL, unless it is given. */
export interface TestHub {
  app: App;
  deps: AppDeps;
  worker: FakeWorker;
  data: string;
  url: string;
  admin: { authorization: string };
  workerToken: { authorization: string };
  log: string[];
  /**
   * The header of a token of an account that has this role in a publisher, or of one without a role there. Account
   * and membership are made if need be; the publisher is there already.
   */
  tokenOf(role: MemberRole | "none", publisher: string): Promise<{ authorization: string }>;
  /** Ends the API and starts another on the same database and folder. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** What helpers need of a hub: also of one that is a process of its own. */
export type AskedHub = Pick<TestHub, "url" | "admin" | "workerToken">;

/** A PostgreSQL server on which the same tests run when it is named; each hub makes a database of its own. */
const POSTGRES = process.env.MODULEHUB_TEST_DATABASE_URL;

export async function startTestHub(options: Partial<AppDeps> = {}): Promise<TestHub> {
  const data = await mkdtemp(join(tmpdir(), "modulehub-api-"));
  const adminToken = randomBytes(24).toString("base64url");
  const workerToken = randomBytes(24).toString("base64url");
  const worker = await startFakeWorker(workerToken);
  const log: string[] = [];
  const { database, end } = options.database
    ? { database: options.database, end: async () => undefined }
    : await ownDatabase();
  let url = "";
  const deps: AppDeps = {
    database,
    store: await openFilesystemStore(data),
    worker: connectWorker({ url: worker.url, token: workerToken }),
    identity: createIdentity(database, { admin: adminToken, worker: workerToken }),
    publicUrl: () => url,
    maxInferenceBytes: 1_048_576,
    retries: { limit: 1, delay: 0 },
    logLevel: "info",
    logStream: { write: (line) => log.push(line) },
    ...options,
  };
  const hub: TestHub = {
    app: await buildApp(deps),
    deps,
    worker,
    data,
    url,
    admin: { authorization: `Bearer ${adminToken}` },
    workerToken: { authorization: `Bearer ${workerToken}` },
    log,
    async tokenOf(role, publisher) {
      const account = `${publisher.slice(0, 50)}-${role}`;
      const made = await ask(hub, "POST", "/v1/accounts", { id: account });
      if (made.status !== 201 && made.status !== 409) throw new Error(JSON.stringify(made.body));
      const path = `/v1/publishers/${publisher}/members/${account}`;
      const member = role === "none" ? undefined : await ask(hub, "PUT", path, { role });
      if (member !== undefined && member.status >= 300) throw new Error(JSON.stringify(member.body));
      const issued = await ask<{ token: string }>(hub, "POST", "/v1/tokens", { account, name: "test" });
      if (issued.status !== 201) throw new Error(JSON.stringify(issued.body));
      return { authorization: `Bearer ${issued.body.token}` };
    },
    async restart() {
      await hub.app.close();
      hub.app = await buildApp(deps);
      hub.url = url = await hub.app.listen({ host: "127.0.0.1", port: 0 });
    },
    async close() {
      await hub.app.close();
      await deps.worker.close();
      await worker.close();
      await end();
      await rm(data, { recursive: true, force: true });
    },
  };
  hub.url = url = await hub.app.listen({ host: "127.0.0.1", port: 0 });
  return hub;
}

/** A database that has all migrations, and how to end it. */
async function ownDatabase(): Promise<{ database: Database; end: () => Promise<void> }> {
  const { location, drop } = await makeDatabase();
  const database = await openDatabase(location);
  await migrate(database);
  const end = async () => {
    await database.close();
    await drop();
  };
  return { database, end };
}

async function makeDatabase(): Promise<{ location: DatabaseLocation; drop: () => Promise<void> }> {
  if (POSTGRES === undefined) return { location: { kind: "memory" }, drop: async () => undefined };
  const name = `modulehub_test_${randomUUID().replaceAll("-", "")}`;
  const run = async (sql: string) => {
    const client = new pg.Client({ connectionString: POSTGRES });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(POSTGRES);
  url.pathname = `/${name}`;
  return {
    location: { kind: "postgresql", url: url.href },
    drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

/** An answer's status and its body, read as JSON. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

/** Asks over a real socket, as the admin unless told otherwise. */
export async function ask<T = Record<string, unknown>>(
  hub: AskedHub,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = hub.admin,
): Promise<Answer<T>> {
  const json = body !== undefined && !(body instanceof Uint8Array);
  const response = await fetch(hub.url + path, {
    method,
    headers: { ...headers, ...(json && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: json ? JSON.stringify(body) : new Uint8Array(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text && JSON.parse(text)) as T };
}

export const digestOf = (bytes: string | Uint8Array): Digest => digestOfHex(hash("sha256", bytes));

/** A manifest that core accepts; the graph beside it may be anything, for the fake worker loads nothing. */
export const MANIFEST = JSON.stringify({
  schemaVersion: 1,
  task: "text-embedding",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32", shape: ["batch", 4] } },
    },
  },
});

/** A module of three files; `seed` makes its graph, and so its digest, its own. */
export const moduleFiles = (seed: string): Record<string, string> => ({
  "module.json": MANIFEST,
  "model.onnx": `graph ${seed}`,
  "README.md": `# ${seed}`,
});

/** What a draft lists of some files. */
export const listOf = (files: Record<string, string>) =>
  Object.entries(files).map(([path, content]) => ({
    path,
    size: Buffer.byteLength(content),
    digest: digestOf(content),
  }));

/** What the hub answers about an upload. */
export interface UploadBody {
  id: string;
  state: string;
  partSize: number;
  parts: { n: number; url: string }[];
  received: number[];
  problem?: { code: string; detail?: string };
}

/** Uploads some bytes in one part, or as many as it takes, and waits until they are stored. */
export async function uploadBytes(hub: AskedHub, publisher: string, bytes: Uint8Array): Promise<void> {
  const size = bytes.byteLength;
  const { body: upload } = await ask<UploadBody>(hub, "POST", "/v1/uploads", { publisher, size });
  await sendParts(hub, upload, bytes);
  const done = await completeUpload(hub, upload.id, digestOf(bytes));
  if (done.body.state !== "stored") throw new Error(JSON.stringify(done.body));
}

/** Sends the parts that an answer asks for to where it says. */
export async function sendParts(hub: AskedHub, upload: UploadBody, bytes: Uint8Array): Promise<void> {
  for (const { n, url } of upload.parts) {
    const start = (n - 1) * upload.partSize;
    const part = bytes.subarray(start, start + upload.partSize);
    if (new URL(url).origin !== hub.url) {
      await putPart(url, part);
      continue;
    }
    const sent = await ask(hub, "PUT", new URL(url).pathname, part);
    if (sent.status !== 200) throw new Error(JSON.stringify(sent.body));
  }
}

/** Completes an upload and waits while it is verified; the answer is the first, where that refused. */
export async function completeUpload(hub: AskedHub, id: string, digest: Digest): Promise<Answer<UploadBody>> {
  let answer = await ask<UploadBody>(hub, "POST", `/v1/uploads/${id}/complete`, { digest });
  for (let tries = 0; answer.body.state === "verifying" && tries < 4_000; tries++) {
    await sleep(20);
    answer = await ask<UploadBody>(hub, "GET", `/v1/uploads/${id}`);
  }
  return answer;
}

export interface DraftBody {
  id: string;
  state: string;
  missing: string[];
  version?: number;
  digest?: string;
  revision?: string;
  problems?: { code: string; detail?: string }[];
}

/** Opens a draft and uploads what is missing. */
export async function prepareDraft(
  hub: AskedHub,
  module: string,
  files: Record<string, string>,
  options: Record<string, unknown> = {},
): Promise<Answer<DraftBody>> {
  const draft = await ask<DraftBody>(hub, "POST", `/v1/modules/${module}/drafts`, {
    files: listOf(files),
    ...options,
  });
  if (draft.status !== 201) return draft;
  for (const content of new Set(Object.values(files)))
    if (draft.body.missing.includes(digestOf(content)))
      await uploadBytes(hub, module.split("/")[0]!, Buffer.from(content));
  return draft;
}

/** Waits until a draft has ended. */
export async function settled(hub: AskedHub, id: string): Promise<DraftBody> {
  for (let tries = 0; tries < 400; tries++) {
    const { body } = await ask<DraftBody>(hub, "GET", `/v1/drafts/${id}`);
    if (body.state !== "uploading" && body.state !== "verifying") return body;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("the draft did not end within ten seconds");
}

/** Publishes a module and waits for the end. */
export async function publish(
  hub: AskedHub,
  module: string,
  files: Record<string, string>,
  options: Record<string, unknown> = {},
): Promise<DraftBody> {
  const draft = await prepareDraft(hub, module, files, options);
  if (draft.status !== 201) throw new Error(JSON.stringify(draft.body));
  const asked = await ask<DraftBody>(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  if (asked.status !== 202) throw new Error(JSON.stringify(asked.body));
  return settled(hub, draft.body.id);
}
