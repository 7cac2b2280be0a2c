import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { jobAnswer, jobPage, logPage } from "./jobs/job.ts";
import { accountAnswer, accountPage } from "./operations/accounts.ts";
import { classifyAnswer } from "./operations/classify.ts";
import { documentationAnswer, documentationPage } from "./operations/documentation.ts";
import { embedAnswer } from "./operations/embed.ts";
import { commitPage, headAnswer, publishedRevision } from "./operations/head.ts";
import { inferAnswer } from "./operations/infer.ts";
import { lineageAnswer } from "./operations/lineage.ts";
import { aliasPage } from "./operations/list-aliases.ts";
import { auditPage } from "./operations/list-audit.ts";
import { draftPage } from "./operations/list-drafts.ts";
import { evaluationPage } from "./operations/list-evaluations.ts";
import { versionPage } from "./operations/list-versions.ts";
import { memberAnswer, memberPage } from "./operations/members.ts";
import { moduleAnswer } from "./operations/module-settings.ts";
import { publisherAnswer, publisherPage, quotaAnswer } from "./operations/publishers.ts";
import { resolvePage } from "./operations/resolve.ts";
import { modulePage } from "./operations/search.ts";
import { aliasAnswer } from "./operations/set-alias.ts";
import { versionAnswer } from "./operations/show-version.ts";
import { createdToken, meAnswer, tokenPage } from "./operations/tokens.ts";
import { yankAnswer } from "./operations/yank.ts";
import { draftSchema } from "./publish/draft.ts";
import { uploadSchema } from "./publish/upload.ts";

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

let document: {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

beforeAll(async () => {
  const path = join(import.meta.dirname, "../../../openapi/openapi.json");
  document = JSON.parse(await readFile(path, "utf8"));
});

const known = (schema: Schema): Schema =>
  schema.$ref ? known(document.components.schemas[schema.$ref.split("/").at(-1)!]!) : schema;

/**
 * Where the client expects of an answer what the document doesn't promise. The client may know more narrowly what
 * a string is (a digest, a dtype) than JSON Schema says.
 */
function faults(client: Schema, promised: Schema, at: string): string[] {
  const hub = known(promised);
  const alternatives = hub.anyOf ?? hub.oneOf;
  // The document has one form of tensors for inputs and outputs; only an input is ever an image.
  if (alternatives)
    return alternatives.filter((one) => !one.properties?.b64).flatMap((one) => faults(client, one, at));
  const accepted = client.anyOf ?? client.oneOf;
  if (accepted)
    return accepted.some((one) => faults(one, hub, at).length === 0)
      ? []
      : [`${at}: no alternative takes ${hub.type}`];
  if (client.type === undefined && client.properties === undefined) return [];
  const types = [client.type].flat();
  if (!types.some((type) => type === hub.type || (type === "number" && hub.type === "integer")))
    return [`${at}: the client wants ${client.type}, the hub answers ${hub.type}`];
  if (client.enum && hub.enum?.some((value) => !client.enum?.includes(value)))
    return [`${at}: the hub answers words that the client doesn't know`];
  if (client.type === "array") return faults(client.items ?? {}, hub.items ?? {}, `${at}[]`);
  const found = Object.entries(client.properties ?? {}).flatMap(([name, property]) => {
    const answered = hub.properties?.[name];
    if (!answered) return [`${at}.${name}: the hub answers no such field`];
    const missing = client.required?.includes(name) && !hub.required?.includes(name);
    return [
      ...(missing ? [`${at}.${name}: the hub may leave it out`] : []),
      ...faults(property, answered, `${at}.${name}`),
    ];
  });
  if (typeof client.additionalProperties === "object" && typeof hub.additionalProperties === "object")
    found.push(...faults(client.additionalProperties, hub.additionalProperties, `${at}.*`));
  return found;
}

const MODULE = "/v1/modules/{publisher}/{name}";

test.each<[string, string, z.ZodType]>([
  ["get", "/v1/resolve", resolvePage],
  ["get", "/v1/modules", modulePage],
  ["post", "/v1/accounts", accountAnswer],
  ["get", "/v1/accounts", accountPage],
  ["patch", "/v1/accounts/{account}", accountAnswer],
  ["get", "/v1/me", meAnswer],
  ["post", "/v1/tokens", createdToken],
  ["get", "/v1/tokens", tokenPage],
  ["post", "/v1/publishers", publisherAnswer],
  ["get", "/v1/publishers", publisherPage],
  ["patch", "/v1/publishers/{publisher}", publisherAnswer],
  ["get", "/v1/publishers/{publisher}/quota", quotaAnswer],
  ["put", "/v1/publishers/{publisher}/quota", quotaAnswer],
  ["get", "/v1/publishers/{publisher}/members", memberPage],
  ["put", "/v1/publishers/{publisher}/members/{account}", memberAnswer],
  ["get", "/v1/audit", auditPage],
  ["get", MODULE, moduleAnswer],
  ["put", MODULE, moduleAnswer],
  ["get", `${MODULE}/versions`, versionPage],
  ["get", `${MODULE}/versions/{version}`, versionAnswer],
  ["get", `${MODULE}/versions/{version}/documentation`, documentationAnswer],
  ["put", `${MODULE}/versions/{version}/documentation`, documentationAnswer],
  ["get", `${MODULE}/versions/{version}/documentation/revisions`, documentationPage],
  ["get", `${MODULE}/aliases`, aliasPage],
  ["put", `${MODULE}/aliases/{alias}`, aliasAnswer],
  ["post", `${MODULE}/versions/{version}/yank`, yankAnswer],
  ["post", `${MODULE}/infer`, inferAnswer],
  ["post", `${MODULE}/versions/{version}/infer`, inferAnswer],
  ["post", `${MODULE}/embed`, embedAnswer],
  ["post", `${MODULE}/classify`, classifyAnswer],
  ["get", `${MODULE}/head`, headAnswer],
  ["delete", `${MODULE}/head`, headAnswer],
  ["post", `${MODULE}/head/commits`, headAnswer],
  ["get", `${MODULE}/head/commits`, commitPage],
  ["post", `${MODULE}/head/publish`, headAnswer],
  ["get", `${MODULE}/commits/{revision}`, publishedRevision],
  ["post", `${MODULE}/drafts`, draftSchema],
  ["get", "/v1/drafts", draftPage],
  ["get", "/v1/drafts/{id}", draftSchema],
  ["delete", "/v1/drafts/{id}", draftSchema],
  ["post", "/v1/drafts/{id}/publish", draftSchema],
  ["post", "/v1/jobs", jobAnswer],
  ["get", "/v1/jobs", jobPage],
  ["get", "/v1/jobs/{id}", jobAnswer],
  ["delete", "/v1/jobs/{id}", jobAnswer],
  ["get", "/v1/jobs/{id}/log", logPage],
  ["get", `${MODULE}/versions/{version}/lineage`, lineageAnswer],
  ["get", `${MODULE}/versions/{version}/evaluations`, evaluationPage],
  ["post", "/v1/uploads", uploadSchema],
  ["get", "/v1/uploads/{id}", uploadSchema],
])("what the client reads of %s %s is what the OpenAPI document promises", (method, path, schema) => {
  const { responses } = document.paths[path]![method]!;
  const success = Object.entries(responses).find(([status]) => status.startsWith("2"))?.[1];
  const promised = success?.content?.["application/json"]?.schema;
  expect(promised).toBeDefined();
  const client = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema;
  expect(client.properties).toBeDefined();
  expect(faults(client, promised!, "answer")).toEqual([]);
});

test.each([
  ["get", "/v1/resolve", ["handle", "cursor"]],
  [
    "get",
    "/v1/modules",
    [
      ...["q", "task", "publisher", "dtype", "input", "output", "license", "language", "tag"],
      ...["sort", "limit", "cursor", "facets"],
    ],
  ],
  ["delete", MODULE, ["reason"]],
  ["delete", `${MODULE}/versions/{version}`, ["reason", "force"]],
  ["get", `${MODULE}/versions`, ["limit", "cursor"]],
  ["get", `${MODULE}/versions/{version}/documentation`, ["revision"]],
  ["get", `${MODULE}/versions/{version}/documentation/revisions`, ["limit", "cursor"]],
  ["get", `${MODULE}/aliases`, ["limit", "cursor"]],
  ["get", `${MODULE}/head`, ["limit", "cursor"]],
  ["get", `${MODULE}/head/commits`, ["limit", "cursor"]],
  ["get", "/v1/drafts", ["module", "state", "limit", "cursor"]],
  ["get", "/v1/jobs", ["publisher", "kind", "state", "limit", "cursor"]],
  ["get", "/v1/jobs/{id}/log", ["limit", "cursor"]],
  ["get", `${MODULE}/versions/{version}/evaluations`, ["limit", "cursor"]],
  ["get", "/v1/uploads/{id}", ["from"]],
  ["get", "/v1/accounts", ["limit", "cursor"]],
  ["get", "/v1/tokens", ["account", "limit", "cursor"]],
  ["get", "/v1/publishers", ["limit", "cursor"]],
  ["get", "/v1/publishers/{publisher}/members", ["limit", "cursor"]],
  ["get", "/v1/audit", ["publisher", "module", "limit", "cursor"]],
])("the query that the client sends to %s %s is in the OpenAPI document", (method, path, names) => {
  const { parameters = [] } = document.paths[path]![method]!;
  const promised = parameters.filter((each) => each.in === "query").map(({ name }) => name);
  expect(promised).toEqual(expect.arrayContaining(names));
});

test("a disagreement is found: a field that is missing, may be missing, or has another type", () => {
  const hub = z.toJSONSchema(
    z.object({ a: z.string(), b: z.int().optional(), c: z.array(z.string()) }),
  ) as Schema;
  const client = z.object({ a: z.int(), b: z.int(), c: z.array(z.int()), d: z.string().optional() });
  expect(faults(z.toJSONSchema(client) as Schema, hub, "answer")).toEqual([
    "answer.a: the client wants integer, the hub answers string",
    "answer.b: the hub may leave it out",
    "answer.c[]: the client wants integer, the hub answers string",
    "answer.d: the hub answers no such field",
  ]);
});
