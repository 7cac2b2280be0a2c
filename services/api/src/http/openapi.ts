import swagger from "@fastify/swagger";
import { publicPath } from "@modulehub/core";
import type { FastifyInstance } from "fastify";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import { z } from "zod";
import { INFERENCE_FORMS, type Operation } from "../gateway/inference-forms.ts";

/** Collects the routes that follow into an OpenAPI document, under the paths that clients send. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Modulehub",
        version: "0.1.0",
        description:
          "A hub for ONNX modules that also runs what it hosts. Names contain slashes: {name} stands for one or more segments, {path} likewise.",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{}, { token: [] }],
    },
    hideUntagged: false,
    transform: (input) => {
      const { schema, url } = jsonSchemaTransform(input);
      const path = publicPath(url).replace(/\/\*$/, "/{path}");
      return { schema: withPublicParameters(schema, path), url: path };
    },
    transformObject: (input) => completed(jsonSchemaTransformObject(input) as Document),
  });
}

type Documented = ReturnType<typeof jsonSchemaTransform>["schema"];

/** The one parameter `module` of the internal route is two in the public path, and `*` is `path`. */
function withPublicParameters(schema: Documented, path: string): Documented {
  const names = [...path.matchAll(/[{:](\w+)\}?/g)].map((match) => match[1]!);
  if (names.length === 0) return schema;
  const known = (schema.params as { properties?: Record<string, unknown> } | undefined)?.properties ?? {};
  const properties = Object.fromEntries(names.map((name) => [name, known[name] ?? { type: "string" }]));
  return { ...schema, params: { type: "object", properties, required: names } };
}

interface Operations {
  requestBody?: unknown;
  responses: Record<string, unknown>;
}

/** The parts of an OpenAPI document that are touched here. */
interface Document {
  paths: Record<string, Record<string, Operations>>;
  components: { schemas: Record<string, unknown> };
}

/** Adds what no route's schema says: that errors are problem documents, and what the gateway passes on. */
function completed(document: Document): Document {
  const json = (schema: unknown) => ({ content: { "application/json": { schema } } });
  for (const [path, operations] of Object.entries(document.paths))
    for (const operation of Object.values(operations)) {
      operation.responses = {
        ...operation.responses,
        default: {
          description: "A problem document; its code says what to do",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      };
      const last = path.split("/").at(-1) ?? "";
      if (!isOperation(last)) continue;
      const { request, answer } = INFERENCE_FORMS[last];
      operation.requestBody = { required: true, ...json(schemaOf(request)) };
      operation.responses["200"] = { description: "The outputs", ...json(schemaOf(answer)) };
    }
  // The type provider lists every schema a second time, as an input; what nothing refers to is left out.
  const { schemas } = document.components;
  for (const name of Object.keys(schemas)) {
    const reference = `"#/components/schemas/${name}"`;
    if (!JSON.stringify(document).includes(reference)) delete schemas[name];
  }
  return document;
}

const isOperation = (word: string): word is Operation => word in INFERENCE_FORMS;

function schemaOf(schema: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema);
  return inlined(rest);
}

/** Definitions of recursive JSON can't be referred to from inside the document: any JSON value it is. */
function inlined(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      key === "$defs" || key === "definitions"
        ? undefined
        : typeof inner === "object" && inner !== null && "$ref" in inner
          ? {}
          : inner,
    ),
  );
}
