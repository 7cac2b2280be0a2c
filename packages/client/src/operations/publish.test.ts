import { createHash } from "node:crypto";
import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { problem } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub, LocalFileError, type PublishEvent, type PublishOptions, UnreachableError } from "../index.ts";
import { FaultyHub } from "../publish/faulty-hub.ts";

const MANIFEST = {
  schemaVersion: 1,
  task: "other",
  signatures: {
    default: {
      inputs: { x: { dtype: "float32", shape: [1] } },
      outputs: { y: { dtype: "float32", shape: [1] } },
    },
  },
};

let hub: FaultyHub;
let folder: string;

beforeEach(async () => {
  hub = new FaultyHub();
  await hub.start();
  folder = await mkdtemp(join(tmpdir(), "modulehub-publish-"));
  await writeFile(join(folder, "module.json"), JSON.stringify(MANIFEST));
});

afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Bytes that differ in every part, so that a part in the wrong place changes the digest. */
const bytesOf = (length: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
      createHash("sha256").update(String(index)).digest(),
    ),
  ).subarray(0, length);

async function publish(options?: PublishOptions, handle = "acme/thing"): Promise<PublishEvent[]> {
  const client = new Hub({ url: hub.url, token: "secret" });
  return Array.fromAsync(client.publish(folder, handle, options));
}

test("a folder is published with its files as they are, and says how far it is", async () => {
  const graph = bytesOf(300_000);
  await writeFile(join(folder, "model.onnx"), graph);
  await writeFile(join(folder, ".DS_Store"), "left by a file manager");
  const events = await publish();
  expect(events.map(({ kind }) => kind).filter((kind, index, all) => kind !== all[index - 1])).toEqual([
    "hashing",
    "draft",
    "sending",
    "verifying",
    "published",
  ]);
  expect(events.at(-1)).toEqual({
    kind: "published",
    handle: "acme/thing/4",
    module: "acme/thing",
    version: 4,
    digest: `sha256:${"ab".repeat(32)}`,
  });
  expect(hub.draft).toMatchObject({
    files: [{ path: "model.onnx", size: 300_000 }, { path: "module.json" }],
  });
  const digest = `sha256:${createHash("sha256").update(graph).digest("hex")}`;
  expect(hub.blobs.get(digest)?.equals(graph)).toBe(true);
  const sending = events.filter((event) => event.kind === "sending");
  expect(sending.at(-1)).toMatchObject({ sentBytes: sending.at(-1)?.totalBytes });
  expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer secret"]));
});

test("a part that the hub fails twice is sent a third time, the others once", async () => {
  await writeFile(join(folder, "model.onnx"), bytesOf(300_000));
  hub.partFault = (n, attempt) => (n === 3 && attempt < 2 ? "store-unavailable" : "none");
  expect((await publish()).at(-1)?.kind).toBe("published");
  const tries = (n: number) =>
    hub.attempts.filter((attempt) => attempt.n === n && attempt.bytes > 10_000).length;
  expect([1, 2, 3, 4].map(tries)).toEqual([1, 1, 3, 1]);
});

test("a connection that drops in the middle of a part costs at most that part again", async () => {
  const graph = bytesOf(300_000);
  await writeFile(join(folder, "model.onnx"), graph);
  hub.partFault = (n, attempt) => (n === 2 && attempt === 0 ? "drop" : "none");
  expect((await publish()).at(-1)?.kind).toBe("published");
  const all = hub.attempts.reduce((sum, { bytes }) => sum + bytes, 0);
  const once = graph.byteLength + JSON.stringify(MANIFEST).length;
  expect(all - once).toBeGreaterThan(0);
  expect(all - once).toBeLessThanOrEqual(hub.partSize);
});

test("publishing again after it was broken off sends only the parts that are missing", async () => {
  const graph = bytesOf(640_000);
  await writeFile(join(folder, "model.onnx"), graph);
  const client = new Hub({ url: hub.url });
  for await (const event of client.publish(folder, "acme/thing"))
    if (event.kind === "sending" && event.sentBytes > 250_000) break;
  const kept = [...hub.uploads.values()].reduce((sum, { parts }) => sum + parts.size, 0);
  hub.attempts.length = 0;
  const again = await publish();
  expect(again.at(-1)?.kind).toBe("published");
  expect(kept).toBeGreaterThan(0);
  expect(hub.attempts.length).toBeLessThanOrEqual(11 - kept);
});

test("an upload that somebody cancels while it is verified ends the publishing", async () => {
  hub.verification = { state: "cancelled" };
  await writeFile(join(folder, "model.onnx"), bytesOf(1_000));
  await expect(publish()).rejects.toMatchObject({
    code: "upload-state",
    message: expect.stringContaining("cancelled"),
  });
});

test.each(["while parts are sent", "after a part broke off", "while it is verified"])(
  "an upload that fails %s is told with the hub's own reason",
  async (when) => {
    const lost = {
      state: "failed",
      problem: problem("store-unavailable", "The store has lost the parts.").toDocument(),
    } as const;
    if (when === "while it is verified") hub.verification = lost;
    else
      hub.partFault = (n) => {
        if (n !== 3) return "none";
        for (const upload of hub.uploads.values()) upload.became = lost;
        return when === "while parts are sent" ? "none" : "drop";
      };
    await writeFile(join(folder, "model.onnx"), bytesOf(300_000));
    await expect(publish()).rejects.toMatchObject({
      code: "store-unavailable",
      message: expect.stringContaining("The store has lost the parts."),
    });
  },
);

test("an upload that another client completes meanwhile is not sent to its end", async () => {
  hub.partFault = (n) => {
    if (n === 2) for (const upload of hub.uploads.values()) upload.became = { state: "stored" };
    return "none";
  };
  await writeFile(join(folder, "model.onnx"), bytesOf(300_000));
  expect((await publish()).at(-1)).toMatchObject({ kind: "published" });
  expect(hub.attempts.map(({ n }) => n)).not.toContain(5);
});

test("a file that changes while it is sent is called by its name", async () => {
  const file = join(folder, "model.onnx");
  await writeFile(file, bytesOf(300_000));
  const client = new Hub({ url: hub.url });
  const read = async () => {
    for await (const event of client.publish(folder, "acme/thing"))
      if (event.kind === "draft") {
        await truncate(file, 100_000);
      }
  };
  await expect(read()).rejects.toThrow("model.onnx changed while it was being published. Publish again.");
});

test("a rejected draft ends with the hub's reasons", async () => {
  await writeFile(join(folder, "model.onnx"), "no graph");
  hub.draftState = "rejected";
  expect((await publish()).at(-1)).toMatchObject({
    kind: "rejected",
    problems: [{ code: "not-onnx", requestId: "r7" }],
  });
});

test("a publisher that is missing is made only when that was asked for", async () => {
  await writeFile(join(folder, "model.onnx"), "graph");
  await expect(publish({}, "newcomer/thing")).rejects.toMatchObject({
    code: "not-found",
    requestId: "r1",
  });
  expect(hub.publishers.has("newcomer")).toBe(false);
  const events = await publish({ createPublisher: true }, "newcomer/thing");
  expect(events.at(-1)?.kind).toBe("published");
});

test("files that two paths share are sent once", async () => {
  const bytes = bytesOf(1_000);
  await writeFile(join(folder, "a.bin"), bytes);
  await writeFile(join(folder, "b.bin"), bytes);
  await publish();
  expect(hub.attempts.filter((attempt) => attempt.bytes === 1_000)).toHaveLength(1);
});

test("a symbolic link is refused before anything is sent", async () => {
  await symlink("/etc/hostname", join(folder, "model.onnx"));
  const refusal = publish();
  await expect(refusal).rejects.toBeInstanceOf(LocalFileError);
  await expect(refusal).rejects.toThrow("is a symbolic link");
  expect(hub.requests).toEqual([]);
});

test("a hub that is not there is told as such, with what to do", async () => {
  const { url } = hub;
  await hub[Symbol.asyncDispose]();
  const refusal = new Hub({ url }).resolve("acme/thing");
  await expect(refusal).rejects.toBeInstanceOf(UnreachableError);
  await expect(refusal).rejects.toThrow(`No hub answers at ${url}/ (ECONNREFUSED). Start one with`);
  await hub.start();
});
