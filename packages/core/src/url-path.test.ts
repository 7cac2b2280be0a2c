import fc from "fast-check";
import { expect, test } from "vitest";
import { parseHandle } from "./handle.ts";
import { ProblemError } from "./problem.ts";
import { INTERNAL_PREFIX, internalUrl, MAX_PATH_LENGTH, publicPath } from "./url-path.ts";

test.each([
  ["/v1/modules/p/n", "/-/modules/p%2Fn"],
  ["/v1/modules/p/n/versions", "/-/modules/p%2Fn/versions"],
  ["/v1/modules/p/a/b/versions/3/infer", "/-/modules/p%2Fa%2Fb/versions/3/infer"],
  ["/v1/modules/p/a/b/infer?x=/../y", "/-/modules/p%2Fa%2Fb/infer?x=/../y"],
  ["/v1/modules/p/%61/versions/3", "/-/modules/p%2Fa/versions/3"],
  ["/v1/modules/p/n/versions/sha256%3Aab/files", "/-/modules/p%2Fn/versions/sha256%3Aab/files"],
  ["/v1/modules/p/n/versions/sha256:ab/files", "/-/modules/p%2Fn/versions/sha256:ab/files"],
  ["/v1/modules/p/n/versions/3/files/a%20b/c%25.txt", "/-/modules/p%2Fn/versions/3/files/a%20b/c%25.txt"],
  ["/v1/modules/p/n/VERSIONS/3", "/-/modules/p%2Fn/VERSIONS/3"],
  ["/v1/modules/p/n/versions/3/files/versions/infer", "/-/modules/p%2Fn/versions/3/files/versions/infer"],
  ["/p/n", "/-/handle/p%2Fn"],
  ["/p/a/b/3?tf-hub-format=compressed", "/-/handle/p%2Fa%2Fb%2F3?tf-hub-format=compressed"],
  ["/p/n@stable", "/-/handle/p%2Fn%40stable"],
  ["/p/n@sha256:ab", "/-/handle/p%2Fn%40sha256%3Aab"],
  ["/p/n%40stable", "/-/handle/p%2Fn%40stable"],
])("%s is routed as %s", (url, internal) => {
  expect(internalUrl(url)).toBe(internal);
});

test.each([
  "/",
  "/?q=1",
  "/v1/modules",
  "/v1/modules?q=a%2Fb",
  "/v1/modules/",
  "/health/ready",
  "/v2",
  "/v2/",
])("%s concerns no module and stays as it is", (url) => {
  expect(internalUrl(url)).toBe(url);
});

test.each([
  "//p/n",
  "/p//n",
  "/./p/n",
  "/p/../n",
  "/p/%2e/n",
  "/p/%2E%2e/n",
  "/p/.%2e/n",
  "/v1/modules/p/n/versions/3/files/../../../x",
  "/v1/modules/p/n/versions/3/files/%2e%2e/x",
  "/v1/modules/p/n/versions/3/files/a%2Fb",
  "/p/a%2fb",
  "/p/a%5Cb",
  "/p/a\\b",
  "/p/a%00",
  "/p/a\0",
  "/p/a%0a",
  "/p/a%7f",
  "/p/a%",
  "/p/a%2",
  "/p/a%zz",
  "/p/a%c0%ae",
  "/p/a%ff",
  "/p/a\ud800",
  "/p/a#b",
  "/health/ready#/../x",
  "/assets/%2e%2e/x",
  "p/n",
  "*",
  "http://hub.example/p/n",
  "",
  `/p/${"n".repeat(MAX_PATH_LENGTH)}`,
])("%o is refused before any route sees it", (url) => {
  expect(() => internalUrl(url)).toThrow(expect.objectContaining({ code: "invalid-path", status: 400 }));
});

test.each(["/-/modules/p%2Fn/versions", "/-/handle/x", "/-", "/-/"])(
  "%s, an internal path, reaches nobody",
  (url) => {
    expect(() => internalUrl(url)).toThrow(ProblemError);
  },
);

test("an encoded internal or reserved path becomes a handle that doesn't exist, not that path", () => {
  expect(internalUrl("/%2D/handle/x")).toBe("/-/handle/-%2Fhandle%2Fx");
  expect(internalUrl("/%76%31/modules/p/n/versions")).toBe("/-/handle/v1%2Fmodules%2Fp%2Fn%2Fversions");
});

test("what is encoded twice is decoded once", () => {
  expect(internalUrl("/p/a%252Fb")).toBe("/-/handle/p%2Fa%252Fb");
  expect(internalUrl("/p/%252e%252e")).toBe("/-/handle/p%2F%252e%252e");
});

test.each([
  "/v1/modules/p",
  "/v1/modules/P/n",
  "/v1/modules/p/n/",
  "/v1/modules/p/versions/3",
  "/v1/modules/p/n/%69nfer",
])("%s names no module", (url) => {
  expect(() => internalUrl(url)).toThrow(expect.objectContaining({ code: "invalid-name" }));
});

test("an internal route is shown as clients know it", () => {
  expect(publicPath("/-/modules/{module}/versions/{version}")).toBe(
    "/v1/modules/{publisher}/{name}/versions/{version}",
  );
  expect(publicPath("/-/handle/:handle")).toBe("/{handle}");
  expect(publicPath("/v1/uploads")).toBe("/v1/uploads");
});

const piece = fc.oneof(
  fc.constantFrom(
    "v1",
    "modules",
    "p",
    "n",
    "versions",
    "3",
    "infer",
    "files",
    "-",
    "@",
    ".",
    "..",
    "",
    "v2",
  ),
  fc.constantFrom(
    "%2e",
    "%2F",
    "%5c",
    "%00",
    "%25",
    "%252F",
    "%",
    "%C3%A4",
    "#",
    "?",
    ";",
    ":",
    "\\",
    "\ud800",
  ),
  fc.string({ unit: "binary", maxLength: 3 }),
);
const url = fc
  .array(
    fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join("")),
    { maxLength: 8 },
  )
  .map((segments) => `/${segments.join("/")}`);

test("any URL is refused with a problem, stays as it is, or becomes an internal path with nothing hidden in it", () => {
  fc.assert(
    fc.property(fc.oneof(url, fc.string({ unit: "binary" })), (raw) => {
      let internal: string;
      try {
        internal = internalUrl(raw);
      } catch (error) {
        expect(error).toBeInstanceOf(ProblemError);
        return;
      }
      const path = internal.split("?")[0]!;
      if (!path.startsWith(INTERNAL_PREFIX)) {
        expect(internal).toBe(raw);
        return;
      }
      const [kind, name, ...rest] = path.slice(INTERNAL_PREFIX.length).split("/");
      expect(["modules", "handle"]).toContain(kind);
      if (kind === "modules") expect(decodeURIComponent(name!)).toMatch(/^[a-z0-9-]+(\/[\w.-]+)+$/);
      else expect(rest).toEqual([]);
      for (const segment of rest) expect(decodeURIComponent(segment)).not.toMatch(/[/\\\0]|^\.{1,2}$/);
    }),
    { numRuns: 2000 },
  );
});

test("the path of any handle leads to that handle", () => {
  const suffixes = ["", "/3", "@stable", `@sha256:${"ab".repeat(32)}`];
  for (const suffix of suffixes) {
    const parameter = internalUrl(`/p/a/b${suffix}`).slice(`${INTERNAL_PREFIX}handle/`.length);
    expect(parseHandle(decodeURIComponent(parameter))).toEqual(parseHandle(`p/a/b${suffix}`));
  }
});
