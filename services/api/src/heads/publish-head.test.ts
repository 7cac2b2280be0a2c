import { expect, test } from "vitest";
import { publicationOfTag } from "./publish-head.ts";

test("a tag that is a number is a version, any other an alias, and what neither may be is refused", () => {
  expect(publicationOfTag("12")).toEqual({ version: 12 });
  expect(publicationOfTag("v1.0")).toEqual({ aliases: ["v1.0"] });
  for (const tag of ["main", "latest", "0", "007", "a b", "1.0", "a".repeat(200), "0123456789".repeat(4)])
    expect(() => publicationOfTag(tag), tag).toThrow(expect.objectContaining({ code: "invalid-name" }));
});
