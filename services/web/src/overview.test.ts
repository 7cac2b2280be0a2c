import { expect, test } from "vitest";
import { overviewOf } from "./overview.ts";

const view = (readme: string, changes: object = {}) => ({
  readme,
  module: "acme/words",
  version: 1,
  files: [],
  ...changes,
});

test("a README is drawn once, and again when it, its version or the files change", () => {
  const first = overviewOf(view("![x](images/x.png)"));
  expect(overviewOf(view("![x](images/x.png)"))).toBe(first);
  const digest = `sha256:${"a".repeat(64)}` as const;
  const files = [{ path: "images/x.png", size: 1, digest, role: "doc" as const }];
  expect(overviewOf(view("![x](images/x.png)", { files })).text?.text).toContain(
    'src="/v1/modules/acme/words/versions/1/files/images/x.png"',
  );
  expect(overviewOf(view("![x](images/x.png)", { files, version: 2 })).text?.text).toContain("/versions/2/");
  expect(overviewOf(view("other")).text?.text).toBe("<p>other</p>\n");
});

test("the drawn READMEs that are kept are bounded in number and in size", () => {
  const first = overviewOf(view("first"));
  for (let index = 0; index < 199; index += 1) overviewOf(view(`small ${index}`));
  expect(overviewOf(view("first"))).toBe(first);
  for (let index = 0; index < 200; index += 1) overviewOf(view(`other ${index}`));
  expect(overviewOf(view("first"))).not.toBe(first);
  const again = overviewOf(view("first"));
  // 120 times 90,000 characters are more than the ten million that are kept.
  for (let index = 0; index < 120; index += 1) overviewOf(view(`${index} ${"word ".repeat(18_000)}`));
  expect(overviewOf(view("first"))).not.toBe(again);
});
