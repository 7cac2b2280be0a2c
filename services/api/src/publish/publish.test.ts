import { hash } from "node:crypto";
import { problem } from "@modulehub/core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { accepted } from "../testing/fake-worker.ts";
import {
  ask,
  type DraftBody,
  digestOf,
  listOf,
  MANIFEST,
  moduleFiles,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  for (const id of ["acme", "other"]) await ask(hub, "POST", "/v1/publishers", { id });
}, 60_000);
afterAll(() => hub.close());
beforeEach(() => {
  hub.worker.behaviour.inspect = accepted;
});

test("a module is published, and can then be resolved, listed and read", async () => {
  const files = moduleFiles("first");
  const draft = await publish(hub, "acme/imagenet/first", files, {
    visibility: "public",
    aliases: ["stable"],
  });
  expect(draft).toMatchObject({ state: "published", version: 1 });
  // The digest's definition in the contract, written out: RFC 8785 of the files without documentation, by path.
  const content = ["model.onnx", "module.json"]
    .map((path) => `{"digest":"${digestOf(files[path]!)}","path":"${path}","size":${files[path]!.length}}`)
    .join(",");
  expect(draft.digest).toBe(`sha256:${hash("sha256", `[${content}]`)}`);

  const anonymous = {};
  const resolved = await ask(
    hub,
    "GET",
    "/v1/resolve?handle=acme/imagenet/first@stable",
    undefined,
    anonymous,
  );
  expect(resolved.body).toMatchObject({
    handle: "acme/imagenet/first/1",
    version: 1,
    digest: draft.digest,
    url: `${hub.url}/acme/imagenet/first/1`,
  });
  for (const path of ["/acme/imagenet/first", "/v1/modules/acme/imagenet/first/versions/1"]) {
    const version = await ask<{ files: unknown[]; manifest: unknown }>(
      hub,
      "GET",
      path,
      undefined,
      anonymous,
    );
    expect(version.body.manifest).toEqual(JSON.parse(MANIFEST));
    expect(version.body.files).toContainEqual({
      path: "README.md",
      size: 7,
      digest: digestOf("# first"),
      role: "doc",
    });
  }
  const versions = await ask(hub, "GET", "/v1/modules/acme/imagenet/first/versions", undefined, anonymous);
  expect(versions.body).toMatchObject({ items: [{ version: 1, digest: draft.digest }] });
  const list = await ask<{ items: unknown[] }>(
    hub,
    "GET",
    "/v1/modules?publisher=acme",
    undefined,
    anonymous,
  );
  expect(list.body.items).toContainEqual(expect.objectContaining({ module: "acme/imagenet/first" }));
  expect(hub.worker.inspections.at(-1)).toMatchObject({ digest: draft.digest });
});

test("a private module looks to strangers like one that does not exist", async () => {
  await publish(hub, "acme/secret", moduleFiles("secret"));
  for (const path of ["", "/versions", "/versions/1", "/versions/1/files/model.onnx"]) {
    const hidden = await ask(hub, "GET", `/v1/modules/acme/secret${path}`, undefined, {});
    const absent = await ask(hub, "GET", `/v1/modules/acme/nothing${path}`, undefined, {});
    expect(hidden.status).toBe(404);
    expect({ ...hidden.body, requestId: "" }).toEqual({ ...absent.body, requestId: "" });
  }
  expect((await ask(hub, "GET", "/v1/modules/acme/secret")).status).toBe(200);
});

test("bytes that only another publisher has count as missing", async () => {
  await publish(hub, "acme/hidden", moduleFiles("hidden"));
  const drafts = (module: string) =>
    ask<DraftBody>(hub, "POST", `/v1/modules/${module}/drafts`, { files: listOf(moduleFiles("hidden")) });
  expect((await drafts("other/copy")).body.missing).toContain(digestOf("graph hidden"));
  expect((await drafts("acme/copy")).body.missing).toEqual([]);
});

test("the same bytes sent by two publishers are stored once", async () => {
  await publish(hub, "acme/twin", moduleFiles("twin"));
  await publish(hub, "other/twin", moduleFiles("twin"));
  const blobs = await hub.deps.database.prisma.blob.count({ where: { digest: digestOf("graph twin") } });
  expect(blobs).toBe(1);
});

test("publishing the same files again under the same number is success, other files are a conflict", async () => {
  const first = await publish(hub, "acme/again", moduleFiles("again"), { version: 7 });
  const second = await publish(hub, "acme/again", moduleFiles("again"), { version: 7 });
  expect(second).toMatchObject({ state: "published", version: 7, digest: first.digest });
  const other = await prepareDraft(hub, "acme/again", moduleFiles("changed"), { version: 7 });
  expect(other).toMatchObject({ status: 409, body: { code: "version-exists" } });
  expect(await publish(hub, "acme/again", moduleFiles("changed"))).toMatchObject({ version: 8 });
});

test("two publishers that race for a number get two numbers", async () => {
  const drafts = await Promise.all(
    Array.from({ length: 6 }, (_, index) => prepareDraft(hub, "acme/race", moduleFiles(`race ${index}`))),
  );
  const ended = await Promise.all(
    drafts.map(async ({ body }) => {
      await ask(hub, "POST", `/v1/drafts/${body.id}/publish`);
      return settled(hub, body.id);
    }),
  );
  expect(ended.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6]);
});

test("after the highest number there is no next one, and a lower one that is free can be named", async () => {
  const name = "acme/last";
  const files = (seed: string) => moduleFiles(`last ${seed}`);
  expect(await publish(hub, name, files("one"), { version: 999_999_999 })).toMatchObject({
    state: "published",
  });
  expect(await publish(hub, name, files("two"))).toMatchObject({
    state: "rejected",
    problems: [{ code: "invalid-request", detail: expect.stringContaining("name a lower number") }],
  });
  expect(await publish(hub, name, files("two"), { version: 7 })).toMatchObject({
    state: "published",
    version: 7,
  });
});

test("of two that race for the same explicit number with other content one is rejected", async () => {
  const drafts = await Promise.all(
    ["a", "b"].map((seed) => prepareDraft(hub, "acme/duel", moduleFiles(`duel ${seed}`), { version: 3 })),
  );
  const ended = await Promise.all(
    drafts.map(async ({ body }) => {
      await ask(hub, "POST", `/v1/drafts/${body.id}/publish`);
      return settled(hub, body.id);
    }),
  );
  expect(ended.map(({ state }) => state).sort()).toEqual(["published", "rejected"]);
  expect(ended.find(({ state }) => state === "rejected")?.problems).toMatchObject([
    { code: "version-exists" },
  ]);
});

test("a draft can't be published while files are missing", async () => {
  const draft = await ask<DraftBody>(hub, "POST", "/v1/modules/acme/early/drafts", {
    files: listOf(moduleFiles("early")),
  });
  const asked = await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  expect(asked).toMatchObject({ status: 409, body: { code: "blobs-missing" } });
});

test("a module that inspection rejects gives its problems, and no version", async () => {
  hub.worker.behaviour.inspect = () => ({
    outcome: "rejected",
    problems: [{ type: "t", title: "t", status: 422, code: "not-onnx", detail: "model.onnx is no model." }],
  });
  const draft = await publish(hub, "acme/bad", moduleFiles("bad"));
  expect(draft).toMatchObject({ state: "rejected", problems: [{ code: "not-onnx" }] });
  expect((await ask(hub, "GET", "/v1/modules/acme/bad/versions")).body).toEqual({ items: [] });
  const again = await ask(hub, "POST", `/v1/drafts/${draft.id}/publish`);
  expect(again).toMatchObject({ status: 409, body: { code: "draft-state" } });
});

test("a module.json that breaks the schema, or names a file that isn't there, is rejected uninspected", async () => {
  const before = hub.worker.inspections.length;
  const broken = await publish(hub, "acme/broken", { ...moduleFiles("broken"), "module.json": "{}" });
  expect(broken).toMatchObject({ state: "rejected", problems: [{ code: "manifest-invalid" }] });
  const { "model.onnx": _, ...without } = moduleFiles("without");
  const missing = await publish(hub, "acme/broken", without);
  expect(missing.problems).toMatchObject([{ code: "manifest-invalid" }]);
  expect(missing.problems?.[0]?.detail).toContain("model.onnx");
  expect(hub.worker.inspections.length).toBe(before);
});

test("a draft fails when no worker can be reached, and is re-opened by publishing it again", async () => {
  await hub.worker.shut();
  const draft = await publish(hub, "acme/later", moduleFiles("later"));
  await hub.worker.open();
  expect(draft).toMatchObject({ state: "failed", problems: [{ code: "worker-unavailable" }] });
  await ask(hub, "POST", `/v1/drafts/${draft.id}/publish`);
  expect(await settled(hub, draft.id)).toMatchObject({ state: "published", version: 1 });
});

test("a draft whose verification is cut off by a restart is taken up again", async () => {
  let begun: () => void = () => undefined;
  const inspecting = new Promise<void>((resolve) => {
    begun = resolve;
  });
  hub.worker.behaviour.inspect = () => {
    begun();
    return new Promise(() => undefined);
  };
  const draft = await prepareDraft(hub, "acme/interrupted", moduleFiles("interrupted"));
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  await inspecting;
  hub.worker.behaviour.inspect = accepted;
  await hub.restart();
  expect(await settled(hub, draft.body.id)).toMatchObject({ state: "published", version: 1 });
}, 60_000);

test("events tell of a draft's way until it has ended", async () => {
  const draft = await prepareDraft(hub, "acme/watched", moduleFiles("watched"));
  const response = await fetch(`${hub.url}/v1/drafts/${draft.body.id}/events`, { headers: hub.admin });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const text = response.text();
  await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
  const states = [...(await text).matchAll(/event: state\ndata: (.*)/g)].map(
    (match) => (JSON.parse(match[1]!) as DraftBody).state,
  );
  expect(states[0]).toBe("uploading");
  expect(states.at(-1)).toBe("published");
  expect(await text).toContain('event: progress\ndata: {"step":"inspecting"}');
});

test("a cancelled draft can't be published, and holds nothing any more", async () => {
  const draft = await prepareDraft(hub, "acme/cancelled", moduleFiles("cancelled"));
  const cancelled = await ask(hub, "DELETE", `/v1/drafts/${draft.body.id}`);
  expect(cancelled.body).toMatchObject({ state: "cancelled" });
  expect((await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`)).status).toBe(409);
  const held = await hub.deps.database.prisma.blobReference.count({ where: { holderId: draft.body.id } });
  expect(held).toBe(0);
});

test.each([
  ["a path that leaves the module", { "../x": "x" }, "invalid-request"],
  ["an absolute path", { "/etc/passwd": "x" }, "invalid-request"],
  ["a backslash", { "a\\b": "x" }, "invalid-request"],
  ["paths that differ by case only", { "a.txt": "x", "A.TXT": "y" }, "invalid-request"],
  ["a path that is file and folder", { a: "x", "a/b": "y" }, "invalid-request"],
  [
    "one that is, with others sorted in between",
    { "a!/x": "x", a: "x", "a.b": "y", "A/b/c": "z" },
    "invalid-request",
  ],
])("a file list with %s is refused", async (_, extra, code) => {
  const files = listOf({ ...moduleFiles("list"), ...extra });
  const draft = await ask(hub, "POST", "/v1/modules/acme/list/drafts", { files });
  expect(draft).toMatchObject({ status: 400, body: { code } });
  expect((await ask(hub, "GET", "/v1/modules/acme/list")).status).toBe(404);
});

test("names of a model in a report or a refusal may hold what the database can't", async () => {
  hub.worker.behaviour.inspect = () => ({
    outcome: "rejected",
    problems: [problem("graph-invalid", "node a\0b \ud800").toDocument()],
  });
  const draft = await publish(hub, "acme/odd-names", moduleFiles("odd names"));
  expect(draft).toMatchObject({ state: "rejected", problems: [{ detail: "node a\ufffdb \ufffd" }] });
});

test("a draft needs a module.json", async () => {
  const draft = await ask(hub, "POST", "/v1/modules/acme/list/drafts", {
    files: listOf({ "model.onnx": "x" }),
  });
  expect(draft).toMatchObject({ status: 422, body: { code: "manifest-missing" } });
});

test("a name that differs from a module's by case or dots only is taken", async () => {
  await publish(hub, "acme/Case/Name", moduleFiles("case"));
  for (const name of ["acme/case/name", "acme/Case.Name"]) {
    const draft = await ask(hub, "POST", `/v1/modules/${name}/drafts`, {
      files: listOf(moduleFiles("case")),
    });
    expect(draft).toMatchObject({ status: 409, body: { code: "name-taken" } });
  }
});

test("asking twice at once to publish a draft makes one version", async () => {
  const draft = await prepareDraft(hub, "acme/twice", moduleFiles("twice"));
  const path = `/v1/drafts/${draft.body.id}/publish`;
  const asked = await Promise.all([ask(hub, "POST", path), ask(hub, "POST", path), ask(hub, "POST", path)]);
  expect(asked.map(({ status }) => status)).toEqual([202, 202, 202]);
  await settled(hub, draft.body.id);
  const versions = await ask<{ items: unknown[] }>(hub, "GET", "/v1/modules/acme/twice/versions");
  expect(versions.body.items).toHaveLength(1);
});

test("lists come in pages that leave nothing out, and a cursor that was tampered with is refused", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "paged" });
  for (const name of ["c", "a", "B"])
    await publish(hub, `paged/${name}`, moduleFiles(`paged ${name}`), { visibility: "public" });
  for (const seed of ["2", "3"]) await publish(hub, "paged/a", moduleFiles(`paged a${seed}`));
  const pages = async (path: string, key: string) => {
    const seen: unknown[] = [];
    let next: string | undefined;
    do {
      const cursor = next === undefined ? "" : `&cursor=${next}`;
      const page = await ask<{ items: Record<string, unknown>[]; next?: string }>(
        hub,
        "GET",
        `${path}limit=1${cursor}`,
        undefined,
        {},
      );
      seen.push(...page.body.items.map((item) => item[key]));
      next = page.body.next;
    } while (next !== undefined);
    return seen;
  };
  // In the order of UTF-8 bytes, in which capitals come first.
  expect(await pages("/v1/modules?publisher=paged&", "module")).toEqual(["paged/B", "paged/a", "paged/c"]);
  expect(await pages("/v1/modules/paged/a/versions?", "version")).toEqual([3, 2, 1]);
  for (const cursor of ["%00", "e30", "WzFd", "MQ"])
    expect(await ask(hub, "GET", `/v1/modules?cursor=${cursor}`)).toMatchObject({
      status: 400,
      body: { code: "invalid-request" },
    });
});
