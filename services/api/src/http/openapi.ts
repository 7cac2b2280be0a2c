import swagger from "@fastify/swagger";
import { publicPath } from "@modulehub/core";
import type { FastifyInstance } from "fastify";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";

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
    transformObject: jsonSchemaTransformObject,
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
