import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ask,
  listOf,
  moduleFiles,
  prepareDraft,
  publish,
  settled,
  startTestHub,
  type TestHub,
} from "../testing/test-hub.ts";

/** On a real PostgreSQL these run side by side; there each of them once waited for another one in a circle. */

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  for (const id of ["acme", "other"]) await ask(hub, "POST", "/v1/publishers", { id });
}, 60_000);
afterAll(() => hub.close());

test("whatever is done to a module at once, each is done or refused, and what is left fits together", async () => {
  for (let round = 0; round < 4; round++) {
    const name = `acme/m${round}`;
    const [files, next] = [moduleFiles(name), moduleFiles(`${name} 2`)];
    await publish(hub, name, files, { visibility: "public" });
    const draft = await prepareDraft(hub, name, next);
    const path = `/v1/modules/${name}`;
    const calls: [string, string, unknown?][] = [
      ["POST", `/v1/drafts/${draft.body.id}/publish`],
      ["PUT", path, { module: `acme/n${round}` }],
      ["PUT", path, { module: `other/n${round}` }],
      ["PUT", path, { visibility: "private" }],
      ["DELETE", `${path}/versions/1`],
      ["PUT", `${path}/aliases/stable`, { version: 1 }],
      ["PUT", `${path}/versions/1/documentation`, { base: 1, files: [] }],
      ["POST", `${path}/drafts`, { files: listOf(next) }],
      ["POST", `/v1/modules/acme/n${round}/drafts`, { files: listOf(next) }],
      ["POST", `${path}/versions/1/yank`, { reason: "broken" }],
    ];
    if (round % 2 === 1) calls.push(["DELETE", path]);
    const answers = await Promise.all(calls.map(([method, at, body]) => ask(hub, method, at, body)));
    for (const [index, { status, body }] of answers.entries())
      expect(status, `${calls[index]} ${JSON.stringify(body)}`).toBeLessThan(500);
    if (answers[0]?.status === 202 && round % 2 === 0) await settled(hub, draft.body.id);
  }
  const { prisma } = hub.deps.database;
  expect(
    await prisma.$queryRaw`
    SELECT r.* FROM blob_reference r
    LEFT JOIN version v ON r.holder_kind IN ('version', 'documentation') AND v.id::text = r.holder_id
    LEFT JOIN draft d ON r.holder_kind = 'draft' AND d.id = r.holder_id
    LEFT JOIN module m ON m.id = coalesce(v.module_id, d.module_id)
    WHERE r.holder_kind <> 'upload' AND m.publisher_id IS DISTINCT FROM r.publisher_id`,
  ).toEqual([]);
  expect(
    await prisma.$queryRaw`
    SELECT f.path FROM (SELECT version_id, path, digest, 'version' AS kind FROM version_file
      UNION ALL SELECT version_id, path, digest, 'documentation' FROM documentation_file) f
    WHERE NOT EXISTS (SELECT FROM blob_reference r JOIN blob b ON b.id = r.blob_id
      WHERE r.holder_kind = f.kind AND r.holder_id = f.version_id::text
        AND b.digest = f.digest AND b.state = 'stored')`,
  ).toEqual([]);
  expect(
    await prisma.$queryRaw`
    SELECT m.name FROM listing l FULL JOIN module m ON m.id = l.module_id
    WHERE l.name IS DISTINCT FROM m.name OR l.visibility IS DISTINCT FROM m.visibility
      OR l.version IS DISTINCT FROM
        (SELECT max(number) FROM version WHERE module_id = m.id AND yanked_at IS NULL)`,
  ).toEqual([]);
}, 120_000);

test("what is made in a publisher while that is deleted is there before it, or finds it gone", async () => {
  await ask(hub, "POST", "/v1/publishers", { id: "brief" });
  const owner = await hub.tokenOf("owner", "brief");
  const make = (index: number) =>
    [
      ask(hub, "POST", "/v1/uploads", { publisher: "brief", size: 1 }),
      ask(hub, "POST", "/v1/tokens", { name: "late", publisher: "brief" }),
      ask(hub, "POST", `/v1/modules/brief/m${index}/drafts`, { files: listOf(moduleFiles("m")) }, owner),
    ] as const;
  const answers = await Promise.all([
    ...make(0),
    ask(hub, "DELETE", "/v1/publishers/brief"),
    ...[1, 2, 3].flatMap(make),
  ]);
  expect(answers.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
});
