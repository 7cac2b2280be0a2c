import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, digestOf, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";
import { DATA_SET, ended, HASTY, prepare, startJob, trainRequest, trainTo, until } from "./test-jobs.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub({ jobSettings: { ...HASTY, mostUnderWay: 3 } });
  await prepare(hub);
  await ask(hub, "POST", "/v1/publishers", { id: "others" });
  await publish(hub, "others/private", moduleFiles("private"));
  const files = moduleFiles("classes");
  const manifest = { ...JSON.parse(files["module.json"]!), task: "image-classification" };
  await publish(hub, "acme/other-task", { ...files, "module.json": JSON.stringify(manifest) });
}, 60_000);
afterAll(() => hub.close());

const other = { ...DATA_SET, digest: digestOf("never sent") };
const regression = {
  dataSet: { ...DATA_SET, reading: { format: "csv", target: "number" } },
  settings: { head: { output: "linear" } },
};

test.each<[string, Record<string, unknown>, number, string]>([
  ["a base that isn't there", { base: "acme/absent" }, 404, "module-not-found"],
  ["a version of it that isn't there", { base: "acme/base/7" }, 404, "version-not-found"],
  ["a base without an embedding", { base: "acme/other-task" }, 422, "task-mismatch"],
  ["what is no handle", { base: "acme" }, 400, "invalid-handle"],
  ["a data set that was never sent", { dataSet: other }, 422, "data-set-missing"],
  ["another publisher's name to publish to", { publish: { module: "others/x" } }, 400, "invalid-request"],
  ["a name that differs by case", { publish: { module: "acme/BASE" } }, 409, "name-taken"],
  ["a name that no module can have", { publish: { module: "acme/x--y" } }, 400, "invalid-name"],
  ["a version that is there", { publish: { module: "acme/base", version: 1 } }, 409, "version-exists"],
  [
    "a module of another visibility",
    { publish: { module: "acme/base", visibility: "private" } },
    400,
    "invalid-request",
  ],
  ["accuracy of a regression", { ...regression, requireAccuracy: 0.5 }, 400, "invalid-request"],
  ["a learning rate below 0", { settings: { learningRate: -1 } }, 400, "invalid-request"],
  ["a word that there isn't", { learningRate: 1 }, 400, "invalid-request"],
  ["a publisher that isn't there", { publisher: "absent" }, 404, "not-found"],
])("%s is refused before anything starts", async (_what, change, status, code) => {
  const answer = await ask(hub, "POST", "/v1/jobs", trainRequest(change));
  expect(answer).toMatchObject({ status, body: { code } });
  expect(hub.worker.assignments).toHaveLength(0);
  expect((await ask<{ items: unknown[] }>(hub, "GET", "/v1/jobs")).body.items).toEqual([]);
  expect((await ask(hub, "GET", "/v1/modules/acme/BASE")).status).toBe(404);
});

test("someone else's private base is not there, and a reader starts nothing", async () => {
  const [writer, reader] = [await hub.tokenOf("writer", "acme"), await hub.tokenOf("reader", "acme")];
  const hidden = await ask(hub, "POST", "/v1/jobs", trainRequest({ base: "others/private" }), writer);
  const absent = await ask(hub, "POST", "/v1/jobs", trainRequest({ base: "others/absent" }), writer);
  expect(hidden).toMatchObject({ status: 404, body: { code: "module-not-found" } });
  expect({ ...hidden.body, requestId: "" }).toEqual({ ...absent.body, requestId: "" });
  expect(await ask(hub, "POST", "/v1/jobs", trainRequest(), reader)).toMatchObject({ status: 403 });
  expect(await ask(hub, "POST", "/v1/jobs", trainRequest(), {})).toMatchObject({ status: 401 });
  expect(await ask(hub, "POST", "/v1/jobs", trainRequest({ publisher: "others" }), writer)).toMatchObject({
    status: 403,
  });
});

test("a publisher has no more jobs under way than it may, one at work, and the next begins when one ends", async () => {
  const first = Promise.withResolvers<void>();
  hub.worker.behaviour.work = async (assignment, say) => {
    await first.promise;
    await trainTo(hub, assignment, say, {});
  };
  const jobs = [];
  for (let count = 0; count < 3; count++) jobs.push(await startJob(hub, trainRequest()));
  const many = await ask(hub, "POST", "/v1/jobs", trainRequest());
  expect(many).toMatchObject({ status: 429, body: { code: "too-many-jobs", retryAfter: 60 } });
  await until(hub, jobs[0]!.id, ({ state }) => state === "running");
  // A second one would have been begun by now: the queue is looked at twice a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(hub.worker.assignments).toHaveLength(1);
  first.resolve();
  for (const { id } of jobs) expect(await ended(hub, id)).toMatchObject({ state: "succeeded" });
  expect(hub.worker.assignments).toHaveLength(3);
}, 30_000);

test("a job is for the writers of its publisher alone, in lists and by its id", async () => {
  const [writer, none] = [await hub.tokenOf("writer", "acme"), await hub.tokenOf("none", "acme")];
  const [{ id }] = (await ask<{ items: { id: string }[] }>(hub, "GET", "/v1/jobs?limit=1")).body.items as [
    { id: string },
  ];
  for (const path of [`/v1/jobs/${id}`, `/v1/jobs/${id}/log`, `/v1/jobs/${id}/events`]) {
    const answer = await fetch(hub.url + path, { headers: none });
    expect(answer.status, path).toBe(404);
    expect(await answer.json()).toMatchObject({ code: "job-not-found" });
  }
  const listed = async (headers: Record<string, string>, query = "") =>
    (await ask<{ items: object[]; next?: string }>(hub, "GET", `/v1/jobs${query}`, undefined, headers)).body;
  expect((await listed(none)).items).toEqual([]);
  expect((await listed(writer, "?kind=train&state=succeeded")).items).toHaveLength(3);
  expect((await listed(writer, "?state=failed")).items).toEqual([]);
  const page = await listed(writer, "?limit=2");
  expect(page.items).toHaveLength(2);
  expect((await listed(writer, `?limit=2&cursor=${page.next}`)).items).toHaveLength(1);
});

/** Has so many new modules of a name refused by a constraint, as by a clash with what others do meanwhile. */
async function refuseModules(name: string, times: number, condition: string): Promise<void> {
  const { prisma } = hub.deps.database;
  await prisma.$executeRawUnsafe(`CREATE SEQUENCE refusals`);
  await prisma.$executeRawUnsafe(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.name = '${name}' AND nextval('refusals') <= ${times} THEN
        RAISE 'clash' USING ERRCODE = '${condition}', CONSTRAINT = 'clash', TABLE = 'module', COLUMN = 'name';
      END IF;
      RETURN NEW;
    END $$`);
  await prisma.$executeRawUnsafe(
    `CREATE TRIGGER refuse BEFORE INSERT ON module FOR EACH ROW EXECUTE FUNCTION refuse()`,
  );
}

/** Returns how many modules were tried. */
async function allowModules(): Promise<number> {
  const { prisma } = hub.deps.database;
  const [row] = await prisma.$queryRaw<{ last_value: bigint }[]>`SELECT last_value FROM refusals`;
  await prisma.$executeRaw`DROP TRIGGER refuse ON module`;
  await prisma.$executeRaw`DROP FUNCTION refuse`;
  await prisma.$executeRaw`DROP SEQUENCE refusals`;
  return Number(row?.last_value);
}

// A database in the process has one connection, and so no races of its own.
test.each([
  ["makes its module", "unique_violation"],
  ["deletes what it refers to", "foreign_key_violation"],
])("a job that begins while somebody %s looks again, once", async (_what, condition) => {
  await refuseModules("acme/raced", 1, condition);
  const asked = await ask<{ id: string }>(
    hub,
    "POST",
    "/v1/jobs",
    trainRequest({ publish: { module: "acme/raced" } }),
  );
  const tries = await allowModules();
  expect(asked).toMatchObject({ status: 202 });
  expect(tries).toBe(2);
  await ask(hub, "DELETE", `/v1/jobs/${asked.body.id}`);
});
