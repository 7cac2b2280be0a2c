import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openapiDocument } from "../openapi-document.ts";

const committed = () => readFile(join(import.meta.dirname, "../../../../openapi/openapi.json"), "utf8");

test("the committed OpenAPI document is what the routes say; npm run openapi writes it", async () => {
  expect(await openapiDocument()).toBe(await committed());
});

test("every reference in the document leads somewhere, and no internal path shows", async () => {
  const text = await committed();
  const document = JSON.parse(text) as { paths: object; components: { schemas: Record<string, unknown> } };
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
    expect(document.components.schemas).toHaveProperty(name!);
  expect(Object.keys(document.paths).filter((path) => /^\/-|\/internal|\*|:/.test(path))).toEqual([]);
  expect(Object.keys(document.paths)).toContain("/v1/modules/{publisher}/{name}/versions/{version}/infer");
});
