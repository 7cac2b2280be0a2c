import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  MANIFEST,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme" });
}, 60_000);
afterAll(() => hub.close());

const files = (graph: string, changes: Record<string, string> = {}) => ({
  "module.json": MANIFEST,
  "model.onnx": graph,
  "README.md": "# words",
  ...changes,
});
/** As a newer client would derive it: the same module, with more said about it. */
const MORE = JSON.stringify({ ...JSON.parse(MANIFEST), examples: [] });

test("the same files under the same number are a success that changes nothing", async () => {
  const first = await publish(hub, "acme/same", files("g"));
  const again = await publish(hub, "acme/same", files("g", { "README.md": "# other words" }), { version: 1 });
  expect(again).toMatchObject({ state: "published", version: 1, digest: first.digest });
  const docs = await ask(hub, "GET", "/v1/modules/acme/same/versions/1/documentation");
  expect(docs.body).toMatchObject({ revision: 1 });
  const next = await publish(hub, "acme/same", files("g"));
  expect(next).toMatchObject({ version: 2, digest: first.digest });
});

test("a written module.json belongs to the content: another one is another version", async () => {
  await publish(hub, "acme/written", files("g"));
  const again = await prepareDraft(hub, "acme/written", files("g", { "module.json": MORE }), { version: 1 });
  expect(again).toMatchObject({ status: 409, body: { code: "version-exists" } });
});

test.each([
  ["then", { derived: true }, {}],
  ["now", {}, { derived: true }],
  ["both times", { derived: true }, { derived: true }],
])(
  "a module.json that was derived %s is left out, and the version stays as it was",
  async (when, then, now) => {
    const name = `acme/derived-${when.replaceAll(" ", "-")}`;
    const first = await publish(hub, name, files("g"), then);
    const again = await publish(hub, name, files("g", { "module.json": MORE }), { version: 1, ...now });
    expect(again).toMatchObject({ state: "published", version: 1, digest: first.digest });
    const { body } = await ask(hub, "GET", `/v1/modules/${name}/versions/1`);
    expect(body).toMatchObject({ digest: first.digest, manifest: JSON.parse(MANIFEST) });
  },
);

test.each([
  ["another graph", { "model.onnx": "other" }],
  ["a file more", { "labels.txt": "a" }],
])("%s is another content, derived or not, and is refused before anything is sent", async (what, changes) => {
  const name = `acme/other-${what.replaceAll(" ", "-")}`;
  await publish(hub, name, files("g"), { derived: true });
  const again = await prepareDraft(hub, name, files("g", changes), { version: 1, derived: true });
  expect(again).toMatchObject({ status: 409, body: { code: "version-exists" } });
});

test("two that publish other files under one number: one wins, the other is rejected", async () => {
  const drafts = await Promise.all(
    ["a", "b"].map((graph) => prepareDraft(hub, "acme/raced", files(graph), { version: 4 })),
  );
  await Promise.all(drafts.map(({ body }) => ask(hub, "POST", `/v1/drafts/${body.id}/publish`)));
  const ends = await Promise.all(drafts.map(({ body }) => settled(hub, body.id)));
  expect(ends.map(({ state }) => state).sort()).toEqual(["published", "rejected"]);
  expect(ends.find(({ state }) => state === "rejected")?.problems).toMatchObject([
    { code: "version-exists" },
  ]);
});
