import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { collectGarbage } from "../blobs/garbage-collection.ts";
import {
  ask,
  digestOf,
  moduleFiles,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

let hub: TestHub;
let module: string;
let digests: string[];
let count = 0;
beforeAll(async () => {
  hub = await startTestHub();
  hub.worker.behaviour.infer = (request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ digest: request.headers["modulehub-digest"] }));
  };
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());
beforeEach(async () => {
  module = `acme/m${++count}`;
  digests = [];
  for (const number of [1, 2]) {
    const files = moduleFiles(`${module} ${number}`);
    const { digest } = await publish(hub, module, files, number === 1 ? { visibility: "public" } : {});
    digests.push(digest!);
  }
});

type Headers = Record<string, string>;
const at = (path = "") => `/v1/modules/${module}${path}`;
const remove = (path: string, headers: Headers = hub.admin) =>
  ask(hub, "DELETE", at(path), undefined, headers);
/** The status of everything that leads to a version or to the module, without a token. */
const statuses = async (handle: string, version: string) => {
  const found: Record<string, number> = {};
  const url = `${hub.url}${at(`/versions/${version}`)}`;
  for (const [name, address] of Object.entries({
    page: `${hub.url}/${handle}`,
    compressed: `${hub.url}/${handle}?tf-hub-format=compressed`,
    version: url,
    file: `${url}/files/model.onnx`,
    archive: `${url}/archive`,
    documentation: `${url}/documentation`,
    history: `${url}/documentation/revisions`,
    readme: `${url}/documentation/files/README.md`,
    resolve: `${hub.url}/v1/resolve?handle=${encodeURIComponent(handle)}`,
  })) {
    const answer = await fetch(address, { headers: { accept: name === "page" ? "text/html" : "*/*" } });
    found[name] = answer.status;
    await answer.arrayBuffer();
  }
  const infer = await fetch(`${url}/infer`, { method: "POST", body: "{}" });
  found.infer = infer.status;
  await infer.arrayBuffer();
  return found;
};
const all = (status: number) =>
  Object.fromEntries(
    "page compressed version file archive documentation history readme resolve infer"
      .split(" ")
      .map((name) => [name, status]),
  );
const infer = (path = "/infer") => ask<{ digest: string }>(hub, "POST", at(path), { inputs: {} });

test("a deleted version is gone at every address, its digest and the latest lead to others", async () => {
  expect((await infer()).body.digest).toBe(digests[1]);
  expect(await statuses(`${module}/2`, "2")).toEqual(all(200));
  expect((await remove("/versions/2?reason=Leaked%20names.")).status).toBe(204);
  expect(await statuses(`${module}/2`, "2")).toEqual(all(410));
  const { body } = await ask(hub, "GET", at("/versions/2"), undefined, {});
  expect(body).toMatchObject({
    code: "gone",
    detail: expect.stringMatching(/^Version 2 was deleted on 20\d\d-\d\d-\d\d by admin: Leaked names\.$/),
  });
  expect(await statuses(`${module}@${digests[1]}`, digests[1]!)).toEqual(all(404));
  expect(await statuses(module, "latest")).toEqual(all(200));
  expect((await infer()).body.digest).toBe(digests[0]);
  const content = await ask(hub, "GET", `/v1/internal/contents/${digests[1]}`, undefined, hub.workerToken);
  expect(content.status).toBe(404);
  const list = await ask<{ items: { version: number }[] }>(hub, "GET", at("/versions"));
  expect(list.body.items.map(({ version }) => version)).toEqual([1]);
  const found = await ask<{ latest: { version: number } }>(hub, "GET", at());
  expect(found.body.latest.version).toBe(1);
  expect(await remove("/versions/2")).toMatchObject({ status: 410, body: { code: "gone" } });
});

test("a deleted number is never given again, asked for or not", async () => {
  await remove("/versions/2");
  const files = moduleFiles(`${module} 2`);
  expect(await prepareDraft(hub, module, files, { version: 2 })).toMatchObject({
    status: 410,
    body: { code: "gone" },
  });
  expect(await publish(hub, module, files)).toMatchObject({ state: "published", version: 3 });
});

test("a draft of a number that is deleted meanwhile is rejected, with what became of it", async () => {
  const again = await prepareDraft(hub, module, moduleFiles(`${module} 2`), { version: 2 });
  await remove("/versions/2");
  await ask(hub, "POST", `/v1/drafts/${again.body.id}/publish`);
  expect(await settled(hub, again.body.id)).toMatchObject({
    state: "rejected",
    problems: [{ code: "gone", detail: expect.stringContaining("Version 2 was deleted") }],
  });
});

test("a version that aliases stand for is deleted only by force, and they with it", async () => {
  for (const alias of ["stable", "next"]) await ask(hub, "PUT", at(`/aliases/${alias}`), { version: 1 });
  expect(await remove("/versions/1")).toMatchObject({
    status: 409,
    body: { code: "version-in-use", errors: [{ path: "next" }, { path: "stable" }] },
  });
  expect((await infer("/versions/stable/infer")).status).toBe(200);
  expect((await remove("/versions/1?force=true")).status).toBe(204);
  expect((await infer("/versions/stable/infer")).status).toBe(404);
  expect((await ask<{ items: [] }>(hub, "GET", at("/aliases"))).body.items).toEqual([]);
  const audit = await ask<{ items: object[] }>(
    hub,
    "GET",
    `/v1/audit?publisher=acme&module=${module}&limit=3`,
  );
  expect(audit.body.items).toMatchObject([
    { action: "module.delete", version: 1, detail: { digest: digests[0] } },
    { action: "module.alias", detail: { alias: "stable", removed: true } },
    { action: "module.alias", detail: { alias: "next", removed: true } },
  ]);
});

test("bytes go with the last that refers to them, and stay while another version does", async () => {
  const { database, store } = hub.deps;
  const collect = async () => {
    // Uploads keep what they brought until they expire.
    await database.prisma.blobReference.deleteMany({ where: { holderKind: "upload" } });
    await database.prisma.blob.updateMany({ data: { touchedAt: new Date(0) } });
    await collectGarbage({ database, store, log: hub.app.log }, 60);
  };
  const stored = (text: string) =>
    database.prisma.blob.count({ where: { digest: digestOf(text), state: "stored" } });
  await remove("/versions/2");
  await collect();
  expect(await stored(`graph ${module} 2`)).toBe(0);
  expect(await stored(`# ${module} 2`)).toBe(0);
  expect(await stored(`graph ${module} 1`)).toBe(1);
  expect(await stored(moduleFiles(module)["module.json"]!)).toBe(1);
});

test("a deletion names its version by number, and only owners may", async () => {
  for (const path of ["/versions/latest", `/versions/${digests[0]}`, "/versions/stable"])
    expect(await remove(path)).toMatchObject({ status: 400, body: { code: "invalid-request" } });
  expect(await remove("/versions/9")).toMatchObject({ status: 404, body: { code: "version-not-found" } });
  for (const query of ["?force=yes", "?reason=", `?reason=${"x".repeat(1001)}`, "?other=1"])
    expect((await remove(`/versions/1${query}`)).status).toBe(400);
  for (const path of ["/versions/1", ""]) {
    expect((await remove(path, await hub.tokenOf("writer", "acme"))).status).toBe(403);
    expect((await remove(path, await hub.tokenOf("none", "acme"))).status).toBe(403);
    expect((await remove(path, {})).status).toBe(401);
  }
  expect(await statuses(`${module}/1`, "1")).toEqual(all(200));
});

test("a download that is under way ends whole, or breaks off", async () => {
  const large = "x".repeat(8_000_000);
  module = `acme/large${count}`;
  await publish(hub, module, { ...moduleFiles("large"), "weights.bin": large }, { visibility: "public" });
  const answer = await fetch(`${hub.url}${at("/versions/1/files/weights.bin")}`);
  const reader = answer.body!.getReader();
  let { byteLength } = (await reader.read()).value!;
  expect((await remove("/versions/1")).status).toBe(204);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    byteLength += value.byteLength;
  }
  expect(byteLength).toBe(large.length);
  expect((await fetch(`${hub.url}${at("/versions/1/files/weights.bin")}`)).status).toBe(410);
});

test("a deleted module is gone with all that it had, and so is its name in every spelling", async () => {
  await ask(hub, "PUT", at("/aliases/stable"), { version: 1 });
  expect((await remove("?reason=No%20longer%20ours.")).status).toBe(204);
  for (const [handle, version] of [
    [module, "latest"],
    [`${module}/1`, "1"],
    [`${module}/77`, "77"],
    [`${module}@stable`, "stable"],
    [`${module}@${digests[0]}`, digests[0]!],
  ] as const)
    expect(await statuses(handle, version), handle).toEqual(all(410));
  for (const path of ["", "/versions", "/aliases"])
    expect(await ask(hub, "GET", at(path), undefined, {})).toMatchObject({
      status: 410,
      body: { detail: expect.stringContaining("by admin: No longer ours.") },
    });
  const { prisma } = hub.deps.database;
  expect(
    await prisma.blobReference.count({
      where: { holderKind: { not: "upload" }, blob: { digest: digestOf(`graph ${module} 1`) } },
    }),
  ).toBe(0);
  const list = await ask<{ items: { module: string }[] }>(
    hub,
    "GET",
    "/v1/modules?publisher=acme&limit=1000",
  );
  expect(list.body.items.map((item) => item.module)).not.toContain(module);
  for (const spelling of [module, module.replace("/m", "/M")]) {
    const again = await prepareDraft(hub, spelling, moduleFiles("again"));
    expect(again, spelling).toMatchObject({ status: 410, body: { code: "gone" } });
  }
});

test("what Hugging Face's clients would call a deleted module is not given to another", async () => {
  module = `acme/a${count}/b`;
  await publish(hub, module, moduleFiles(module));
  await remove("");
  expect(await prepareDraft(hub, module.replace("/b", ".b"), moduleFiles("again"))).toMatchObject({
    status: 409,
    body: { code: "name-taken" },
  });
});

test("that a private module was deleted is told only to those who could see it", async () => {
  module = `acme/secret${count}`;
  await publish(hub, module, moduleFiles(module));
  await remove("/versions/1");
  const outsider = await hub.tokenOf("none", "acme");
  const reader = await hub.tokenOf("reader", "acme");
  const read = async (path: string, headers: Headers) =>
    (await ask(hub, "GET", at(path), undefined, headers)).status;
  expect(await read("/versions/1", reader)).toBe(410);
  expect(await read("/versions/1", outsider)).toBe(404);
  await remove("");
  expect(await read("", reader)).toBe(410);
  for (const headers of [outsider, {}]) {
    const answer = await ask(hub, "GET", at(), undefined, headers);
    const never = await ask(hub, "GET", "/v1/modules/acme/never-there", undefined, headers);
    expect({ ...answer.body, requestId: "" }).toEqual({ ...never.body, requestId: "" });
  }
});

test("a draft that waits, is verified or is watched goes with its module, and nothing is published", async () => {
  const waiting = await prepareDraft(hub, module, moduleFiles(`${module} 3`));
  const verifying = await prepareDraft(hub, module, moduleFiles(`${module} 4`));
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let inspecting = false;
  const usual = hub.worker.behaviour.inspect;
  hub.worker.behaviour.inspect = async (...given) => {
    inspecting = true;
    await held;
    return usual(...given);
  };
  await ask(hub, "POST", `/v1/drafts/${verifying.body.id}/publish`);
  while (!inspecting) await pause(10);
  const events = await fetch(`${hub.url}/v1/drafts/${verifying.body.id}/events`, { headers: hub.admin });
  const watched = events.text();
  expect((await remove("")).status).toBe(204);
  release();
  await watched;
  hub.worker.behaviour.inspect = usual;
  for (const { body } of [waiting, verifying])
    expect(await ask(hub, "GET", `/v1/drafts/${body.id}`)).toMatchObject({
      status: 404,
      body: { code: "draft-not-found" },
    });
  expect((await ask(hub, "POST", `/v1/drafts/${waiting.body.id}/publish`)).status).toBe(404);
  await pause(200);
  expect((await ask(hub, "GET", at())).status).toBe(410);
  expect(hub.log.filter((line) => line.includes('"level":50') && line.includes(verifying.body.id))).toEqual(
    [],
  );
});

test("whichever of deleting and publishing comes first, nothing is left half there", async () => {
  for (let round = 0; round < 8; round++) {
    module = `acme/race${count}-${round}`;
    await publish(hub, module, moduleFiles(module), { visibility: "public" });
    const draft = await prepareDraft(hub, module, moduleFiles(`${module} next`));
    await ask(hub, "POST", `/v1/drafts/${draft.body.id}/publish`);
    await pause(round * 5);
    const [deleted, opened] = await Promise.all([
      remove(""),
      ask(hub, "POST", at("/drafts"), { files: [{ path: "module.json", size: 1, digest: digestOf("x") }] }),
    ]);
    expect(deleted.status).toBe(204);
    expect([201, 410]).toContain(opened.status);
    expect((await ask(hub, "GET", at())).status).toBe(410);
  }
  const { prisma } = hub.deps.database;
  const left = await prisma.$queryRaw`
    SELECT holder_kind, holder_id FROM blob_reference r
    WHERE (holder_kind IN ('version', 'documentation') AND NOT EXISTS (SELECT FROM version WHERE id::text = holder_id))
       OR (holder_kind = 'draft' AND NOT EXISTS (SELECT FROM draft WHERE id = holder_id))`;
  expect(left).toEqual([]);
});
