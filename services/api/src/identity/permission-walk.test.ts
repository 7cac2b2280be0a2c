import { randomUUID } from "node:crypto";
import { ACTIONS, VISIBILITIES, type Visibility } from "@modulehub/core";
import { afterAll, expect, test } from "vitest";
import type { DeclaredRoute } from "../http/access.ts";
import { ask, digestOf, moduleFiles, publish, startTestHub } from "../testing/test-hub.ts";
import { may, type Who } from "./permissions.ts";

/**
 * Walks every route that the app declares, as everyone who may ask, on something public and something private, and
 * compares status and body with the permission table. A new route is walked as it is if its parameters are among
 * `PARAMETERS` and it takes no body; otherwise the walk fails until it has an entry here.
 */

/** What stands for a route's parameters. What is named `absent` is not there, so that nothing is changed by a call. */
const PARAMETERS: Record<string, string> = {
  version: "1",
  alias: "absent",
  account: "absent",
  n: "1",
  digest: digestOf("absent"),
  "*": "model.onnx",
};

/** Parameters that stand for something else at an address. */
const PARAMETERS_OF: Record<string, Record<string, string>> = {
  "/-/modules/:module/versions/:version/documentation/files/*": { "*": "README.md" },
};

/** A body that a route takes, by method and address; what it asks for can't be done, or does no harm. */
const BODIES: Record<string, unknown> = {
  // It is a form: that it takes no JSON is said to everyone who may send one.
  "POST /login": {},
  "POST /logout": undefined,
  "POST /v1/accounts": { id: "admin" },
  "PATCH /v1/accounts/:account": { displayName: "Walked" },
  "POST /v1/tokens": { name: "walked" },
  "POST /v1/publishers": { id: "admin" },
  "PATCH /v1/publishers/:publisher": { displayName: "Walked" },
  "PUT /v1/publishers/:publisher/quota": { bytes: null },
  "PUT /v1/publishers/:publisher/members/:account": { role: "reader" },
  "POST /-/modules/:module/drafts": {
    files: [{ path: "module.json", size: 1, digest: digestOf("absent") }],
    version: 7,
  },
  "POST /-/modules/:module/head/commits": { parent: "f".repeat(40), operations: [] },
  "POST /-/modules/:module/head/publish": {},
  "PUT /-/modules/:module": { visibility: "private" },
  "PUT /-/modules/:module/aliases/:alias": { version: 999 },
  "POST /-/modules/:module/versions/:version/yank": { reason: "walked" },
  "PUT /-/modules/:module/versions/:version/documentation": { base: 999, files: [] },
  "POST /v1/jobs": {
    kind: "evaluate",
    publisher: "{publisher}",
    module: "acme/absent",
    dataSet: { digest: digestOf("absent"), reading: { format: "csv" } },
  },
  "PUT /internal/jobs/:id/files/:digest": "none",
  "POST /v1/uploads": { publisher: "{publisher}", size: 1 },
  "POST /v1/uploads/:id/complete": { digest: digestOf("absent") },
  "PUT /v1/uploads/:id/parts/:n": "x",
  "POST /v1/drafts/:id/publish": undefined,
  ...Object.fromEntries(
    ["infer", "embed", "classify"].flatMap((operation) => [
      [`POST /-/modules/:module/${operation}`, { inputs: {} }],
      [`POST /-/modules/:module/versions/:version/${operation}`, { inputs: {} }],
    ]),
  ),
};

/** What a route is asked besides its path. */
const QUERIES: Record<string, string> = {
  "/v1/resolve": "handle={module}/1",
  "/v1/audit": "publisher={publisher}",
  "/-/modules/:module/versions/:version/comparison": "with={module}/1",
};

/** What is asked about: the fixtures of one visibility, or what isn't there. */
interface Target {
  module: string;
  publisher: string;
  draft: string;
  upload: string;
  token: string;
  /** Of its version. */
  revision: string;
  job: string;
}

interface Walker {
  name: string;
  who: Who;
  headers: Record<string, string>;
  /** Sent as `?token=`: that reads modules, and nothing else. */
  query?: string;
  /** Its token is no longer one. */
  refused?: true;
}

const hub = await startTestHub();
afterAll(() => hub.close());
const { prisma } = hub.deps.database;

await ask(hub, "POST", "/v1/publishers", { id: "acme" });
for (const visibility of VISIBILITIES) {
  const options = { visibility, aliases: ["stable"] };
  const published = await publish(hub, `acme/${visibility}`, moduleFiles(visibility), options);
  expect(published).toMatchObject({ state: "published" });
}
const walkers = await makeWalkers();
const targets = { public: await makeTarget("public"), private: await makeTarget("private") };
const missing: Target = {
  module: "acme/missing",
  publisher: "missing",
  draft: randomUUID(),
  upload: randomUUID(),
  token: randomUUID(),
  revision: "f".repeat(40),
  job: randomUUID(),
};
const routes = hub.app.declaredRoutes.filter(({ method }) => method !== "OPTIONS");

test.each(routes)("$method $url is open to whom the table says ($action)", async (route) => {
  for (const visibility of VISIBILITIES)
    for (const walker of walkers) {
      const target = targets[visibility];
      const there = await call(route, walker, target);
      const at = `${walker.name}, ${visibility}: ${JSON.stringify(there)}`;
      if (walker.refused) {
        expect(there, at).toMatchObject({ status: 401 });
        continue;
      }
      const who = standingAt(route, walker);
      const notThere = hasTarget(route) ? await call(route, walker, missing) : undefined;
      if (isAllowed(route, who, visibility)) {
        expect([401, 403], at).not.toContain(there.status);
        if (route.method === "GET" && route.url.startsWith("/-/"))
          expect(there, at).toMatchObject({ status: 200 });
        if (notThere?.status === 404 && route.method !== "HEAD") expect(there, at).not.toEqual(notThere);
        continue;
      }
      if (who === "everyone" && !may("everyone", route.action, "public"))
        expect(there, at).toMatchObject({ status: 401, ...coded(route, "unauthenticated") });
      else if (who === "worker" || notThere === undefined || isSeen(route, who, visibility))
        expect(there, at).toMatchObject({ status: 403, ...coded(route, "forbidden") });
      else {
        expect([403, 404], at).toContain(there.status);
        expect(there, at).toEqual(notThere);
      }
    }
});

test("every action of the table is declared by a route, so that none is there in vain", () => {
  const declared = new Set(routes.map(({ action }) => action));
  expect(ACTIONS.filter((action) => !declared.has(action))).toEqual([]);
});

test("lists hold what is private for those who may read it only", async () => {
  for (const path of ["/v1/modules?limit=1000", "/v1/drafts?limit=1000", "/", "/acme"])
    for (const walker of walkers) {
      if (walker.refused || walker.who === "worker" || walker.query) continue;
      const headers = { ...walker.headers, accept: path.startsWith("/v1/") ? "*/*" : "text/html" };
      const text = await (await fetch(hub.url + path, { headers })).text();
      const least = path.startsWith("/v1/drafts") ? "draft.read" : "module.list";
      expect(text.includes("acme/private"), `${walker.name} ${path}`).toBe(may(walker.who, least, "private"));
    }
});

/** What the table does not answer alone: a token is read and revoked by its own account. */
function isAllowed(route: DeclaredRoute, who: Who, visibility: Visibility): boolean {
  const { url, action } = route;
  if (url === "/v1/tokens/:id") return who === "admin";
  // A list of many publishers' things: what the table leaves of it may be nothing.
  if (!hasTarget(route) && may("owner", action, "public")) return may(who, action, "public") || isKnown(who);
  return may(who, action, visibility);
}

const isKnown = (who: Who): boolean => who !== "everyone" && who !== "worker";

/** A token in a URL reads modules as a reader does, and is not looked at for anything else. */
function standingAt({ method, action }: DeclaredRoute, { who, query }: Walker): Who {
  if (query === undefined) return who;
  const taken = method !== "POST" && ["module.read", "module.download"].includes(action);
  return taken ? who : "everyone";
}

/** Whether one who may not do this knows that there is something: then that is said. */
function isSeen({ url, action }: DeclaredRoute, who: Who, visibility: Visibility): boolean {
  if (/^\/v1\/(drafts|uploads|tokens|jobs)\/:id/.test(url)) return false;
  if (url.startsWith("/-/") && action !== "module.publish") return may(who, "module.read", visibility);
  return action.endsWith(".read") ? may(who, "member.read", visibility) : true;
}

const hasTarget = ({ method, url }: DeclaredRoute): boolean =>
  url.startsWith("/-/modules/") ||
  url.startsWith("/-/handle/") ||
  url.includes(":publisher") ||
  /^\/v1\/(drafts|uploads|tokens|jobs)\/:id/.test(url) ||
  ((url === "/v1/uploads" || url === "/v1/jobs") && method === "POST") ||
  url in QUERIES;

const coded = ({ method }: DeclaredRoute, code: string) => (method === "HEAD" ? {} : { body: { code } });

function pathOf({ url }: DeclaredRoute, target: Target): string {
  const path = url
    .replace("/-/modules/:module", `/v1/modules/${target.module}`)
    .replace("/-/handle/:handle", `/${target.module}/1`)
    .replace(":publisher", target.publisher)
    .replace(":revision", target.revision)
    .replace(/^\/v1\/drafts\/:id/, `/v1/drafts/${target.draft}`)
    .replace(/^\/v1\/uploads\/:id/, `/v1/uploads/${target.upload}`)
    .replace(/^\/v1\/tokens\/:id/, `/v1/tokens/${target.token}`)
    .replace(/\/jobs\/:id/, `/jobs/${target.job}`);
  return path.replace(/:(\w+)|\*$/g, (parameter, name: string | undefined) => {
    const value = { ...PARAMETERS, ...PARAMETERS_OF[url] }[name ?? parameter];
    if (value === undefined) throw new Error(`Give ${parameter} of ${url} an entry in PARAMETERS.`);
    return value;
  });
}

const filled = (text: string, target: Target): string =>
  text.replace("{publisher}", target.publisher).replace("{module}", target.module);

async function call(route: DeclaredRoute, walker: Walker, of: Target) {
  const { method, url } = route;
  const key = `${method} ${url}`;
  const writes = method === "POST" || method === "PUT" || method === "PATCH";
  if (writes && !(key in BODIES)) throw new Error(`Give ${key} an entry in BODIES.`);
  // What is changed is each caller's own, so that it is there for the next one.
  const isCopied = of !== missing && method !== "GET" && method !== "HEAD" && url.startsWith("/-/modules/");
  const target = isCopied ? { ...of, module: await copyModule(of.module) } : of;
  const body = BODIES[key];
  const query = [
    QUERIES[url] && filled(QUERIES[url], target),
    walker.query && `token=${walker.query}`,
  ].filter(Boolean);
  const address = hub.url + pathOf(route, target) + (query.length > 0 ? `?${query.join("&")}` : "");
  const response = await fetch(address, {
    method,
    redirect: "manual",
    headers: {
      ...walker.headers,
      ...(body !== undefined && {
        "content-type": url.endsWith("/parts/:n") ? "application/octet-stream" : "application/json",
      }),
    },
    ...(body !== undefined && { body: filled(JSON.stringify(body), target) }),
  });
  const text = await response.text();
  const isProblem = response.headers.get("content-type") === "application/problem+json" && text !== "";
  const { requestId: _, ...problem } = isProblem ? JSON.parse(text) : {};
  return { status: response.status, body: problem as { code?: string } };
}

async function makeWalkers(): Promise<Walker[]> {
  const owner = await hub.tokenOf("owner", "acme");
  const revoked = await hub.tokenOf("owner", "acme");
  const { body } = await ask<{ token: { id: string } }>(hub, "GET", "/v1/me", undefined, revoked);
  await ask(hub, "DELETE", `/v1/tokens/${body.token.id}`);
  return [
    { name: "anonymous", who: "everyone", headers: {} },
    { name: "an account without a role", who: "account", headers: await hub.tokenOf("none", "acme") },
    { name: "a reader", who: "reader", headers: await hub.tokenOf("reader", "acme") },
    { name: "a writer", who: "writer", headers: await hub.tokenOf("writer", "acme") },
    { name: "an owner", who: "owner", headers: owner },
    { name: "the admin", who: "admin", headers: hub.admin },
    { name: "a worker", who: "worker", headers: hub.workerToken },
    { name: "a revoked token", who: "everyone", headers: revoked, refused: true },
    {
      name: "an owner's token in the query",
      who: "reader",
      headers: {},
      query: owner.authorization.slice("Bearer ".length),
    },
  ];
}

async function makeTarget(visibility: Visibility): Promise<Target> {
  const name = `acme/${visibility}`;
  const files = moduleFiles("walked");
  const draft = await ask<{ id: string }>(hub, "POST", `/v1/modules/${name}/drafts`, {
    files: Object.entries(files).map(([path, text]) => ({ path, size: text.length, digest: digestOf(text) })),
  });
  // Ended, so that its events end too.
  await ask(hub, "DELETE", `/v1/drafts/${draft.body.id}`);
  const upload = await ask<{ id: string }>(hub, "POST", "/v1/uploads", { publisher: "acme", size: 2 });
  await ask(hub, "POST", "/v1/accounts", { id: `of-${visibility}` });
  const token = await ask<{ id: string }>(hub, "POST", "/v1/tokens", {
    name: "walked",
    account: `of-${visibility}`,
  });
  const version = await ask<{ revision: string }>(hub, "GET", `/v1/modules/${name}/versions/1`);
  return {
    module: name,
    publisher: "acme",
    revision: version.body.revision,
    draft: draft.body.id,
    upload: upload.body.id,
    token: token.body.id,
    job: await endedJob(),
  };
}

/** A job that has ended, so that its events end too. */
async function endedJob(): Promise<string> {
  const id = randomUUID();
  const dataSet = { digest: digestOf("absent"), reading: { format: "csv" } };
  const request = { kind: "evaluate", publisher: "acme", module: "acme/public", dataSet };
  await prisma.job.create({
    data: {
      ...{ id, kind: "evaluate", state: "cancelled", publisherId: "acme", request, endedAt: new Date() },
      subjects: [{ handle: "acme/public/1", digest: digestOf("absent"), versionId: 1 }],
      askedBy: { account: "admin", cap: "admin" },
    },
  });
  return id;
}

/** A copy of a module with its version and files: row by row, for publishing takes longer. */
async function copyModule(name: string): Promise<string> {
  const copy = `acme/copy-${randomUUID()}`;
  const [row] = await prisma.$queryRaw<{ id: number }[]>`
    INSERT INTO module SELECT (jsonb_populate_record(NULL::module, to_jsonb(m) || jsonb_build_object(
      'id', nextval('module_id_seq'), 'name', ${copy}::text, 'lower_name', ${copy}::text,
      'hf_name', ${copy}::text, 'oci_name', ${copy}::text))).*
    FROM module m WHERE m.name = ${name} RETURNING id`;
  const [version] = await prisma.$queryRaw<{ id: number }[]>`
    INSERT INTO version SELECT (jsonb_populate_record(NULL::version, to_jsonb(v) || jsonb_build_object(
      'id', nextval('version_id_seq'), 'module_id', ${row!.id}::int))).*
    FROM version v JOIN module m ON m.id = v.module_id WHERE m.name = ${name} AND v.number = 1 RETURNING id`;
  await prisma.$executeRaw`
    INSERT INTO version_file (version_id, path, size, digest, role)
    SELECT ${version!.id}, f.path, f.size, f.digest, f.role FROM version_file f
    JOIN version v ON v.id = f.version_id JOIN module m ON m.id = v.module_id
    WHERE m.name = ${name} AND v.number = 1`;
  await prisma.moduleName.create({
    data: { lowerName: copy, name: copy, hfName: copy, moduleId: row!.id },
  });
  await prisma.$executeRaw`
    INSERT INTO documentation SELECT (jsonb_populate_record(d, jsonb_build_object('version_id', ${version!.id}::int))).*
    FROM documentation d JOIN version v ON v.id = d.version_id JOIN module m ON m.id = v.module_id
    WHERE m.name = ${name} AND v.number = 1`;
  return copy;
}
