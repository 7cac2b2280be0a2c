import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorsPage } from "./write-errors-page.ts";

test("docs/errors.md lists the catalogue as it is (npm run docs writes it)", () => {
  expect(readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8")).toBe(errorsPage());
});
