import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storeBytes } from "../testing/store-parts.ts";
import {
  ask,
  digestOf,
  MANIFEST,
  settled,
  startTestHub,
  type TestHub,
  uploadBytes,
} from "../testing/test-hub.ts";

/** Downloads that break off, and are continued, and ones whose files are deleted under them. */

let hub: TestHub;
const folder = mkdtempSync(join(tmpdir(), "modulehub-interrupted-"));
/** More than the sockets of both sides hold, so that a download waits for its reader. */
const WEIGHTS = randomBytes(24_000_000);
const FILES: Record<string, Buffer> = {
  "module.json": Buffer.from(MANIFEST),
  "model.onnx": Buffer.from("graph interrupted"),
  "a/weights.bin": WEIGHTS,
  "z/last.bin": Buffer.from("the last of all"),
  "z/größe 🙂.txt": Buffer.from("in UTF-8"),
};
const VERSION = "/v1/modules/acme/heavy/versions/1";

beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
  const files = Object.entries(FILES).map(([path, bytes]) => ({
    path,
    size: bytes.byteLength,
    digest: digestOf(bytes),
  }));
  const draft = await ask<{ id: string }>(hub, "POST", "/v1/modules/acme/heavy/drafts", {
    files,
    visibility: "public",
  });
  for (const bytes of Object.values(FILES)) await uploadBytes(hub, "acme", bytes);
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await settled(hub, draft.body.id);
}, 60_000);
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Begins a download, and takes no more than its first bytes. */
async function begin(path: string): Promise<Socket> {
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.once("readable", resolve));
  return socket;
}

/** The rest of an answer: its body as far as it came, and the length that was announced. */
async function rest(socket: Socket): Promise<{ body: Buffer; announced: number }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(chunk);
  } catch {
    // Cut off: what came is what counts.
  }
  const all = Buffer.concat(chunks);
  const end = all.indexOf("\r\n\r\n") + 4;
  const announced = Number(/content-length: (\d+)/i.exec(all.subarray(0, end).toString())?.[1]);
  return { body: all.subarray(end), announced };
}

/** Deletes the bytes of a file from the store; they can be put back. */
async function deleteBlob(bytes: Buffer): Promise<{ restore(): Promise<void> }> {
  const { store, database } = hub.deps;
  const blob = await database.prisma.blob.findFirstOrThrow({ where: { digest: digestOf(bytes) } });
  await store.delete(blob.storageKey);
  return {
    restore: () => storeBytes(store, blob.storageKey, bytes),
  };
}

test("a file that is deleted while it is downloaded comes whole to those who had begun", async () => {
  const socket = await begin(`${VERSION}/files/a/weights.bin`);
  const { restore } = await deleteBlob(WEIGHTS);
  const { body, announced } = await rest(socket);
  expect(announced).toBe(WEIGHTS.byteLength);
  expect(sha256(body)).toBe(sha256(WEIGHTS));
  const later = await ask(hub, "GET", `${VERSION}/files/a/weights.bin`);
  expect(later).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
  await restore();
});

test("an archive of which a later file is deleted meanwhile ends before the length that was announced", async () => {
  const socket = await begin(`${VERSION}/archive`);
  const { restore } = await deleteBlob(FILES["z/last.bin"]!);
  const { body, announced } = await rest(socket);
  expect(body.byteLength).toBeGreaterThan(WEIGHTS.byteLength - 200_000);
  expect(body.byteLength).toBeLessThan(announced);
  await restore();
  expect((await ask(hub, "GET", "/health/live")).status).toBe(200);
});

test.each([`${VERSION}/files/a/weights.bin`, `${VERSION}/archive`, "/acme/heavy/1?tf-hub-format=compressed"])(
  "%s that breaks off again and again is continued by ranges, and has the same bytes",
  async (path) => {
    const whole = Buffer.from(await (await fetch(hub.url + path)).arrayBuffer());
    const { headers } = await fetch(hub.url + path, { method: "HEAD" });
    const etag = headers.get("etag") ?? "";
    let received = Buffer.alloc(0);
    let attempts = 0;
    while (received.byteLength < whole.byteLength) {
      attempts++;
      const stop = new AbortController();
      const response = await fetch(hub.url + path, {
        headers: { range: `bytes=${received.byteLength}-`, "if-range": etag },
        signal: stop.signal,
      });
      expect(response.status).toBe(206);
      const part: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of response.body ?? []) {
        part.push(chunk);
        size += chunk.byteLength;
        // The connection goes at 5 MB, except the last time.
        if (size > 5_000_000 && received.byteLength + size < whole.byteLength - 5_000_000) break;
      }
      stop.abort();
      received = Buffer.concat([received, ...part]);
    }
    expect(attempts).toBeGreaterThan(2);
    expect(sha256(received)).toBe(sha256(whole));
  },
  60_000,
);

test("Python's tarfile and system tar unpack an archive to the bytes of its files, folders first", async () => {
  const path = join(folder, "heavy.tar.gz");
  writeFileSync(path, Buffer.from(await (await fetch(`${hub.url}${VERSION}/archive`)).arrayBuffer()));
  const program = `
import hashlib, json, sys, tarfile
with tarfile.open(sys.argv[1], "r:gz") as tar:
    members = tar.getmembers()
    files = {m.name: hashlib.sha256(tar.extractfile(m).read()).hexdigest() for m in members if m.isfile()}
    print(json.dumps({"files": files, "kinds": "".join("d" if m.isdir() else "f" for m in members)}))
`;
  const said: { files: Record<string, string>; kinds: string } = JSON.parse(
    execFileSync("python3", ["-c", program, path], { encoding: "utf8" }),
  );
  expect(said.kinds).toMatch(/^d+f+$/);
  expect(said.files).toEqual(
    Object.fromEntries(Object.entries(FILES).map(([name, bytes]) => [name, sha256(bytes)])),
  );
  for (const [name, bytes] of Object.entries(FILES))
    expect(sha256(execFileSync("tar", ["xzOf", path, name], { maxBuffer: 1e9 })), name).toBe(sha256(bytes));
});
