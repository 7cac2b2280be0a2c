import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { digestOfHex } from "./digest.ts";
import { EMPTY_REVISION, REVISION_LENGTH, revisionContent } from "./revision.ts";

/** coreutils' sha256sum, as an independent source. */
const sha256 = (text: string): string => execFileSync("sha256sum", { input: text }).toString().slice(0, 64);

test("the revision of an empty module is that of no files and no parent", () => {
  expect(sha256('{"files":[],"parent":null}').slice(0, REVISION_LENGTH)).toBe(EMPTY_REVISION);
});

test("a revision is made from its parent and the files by path, whatever else is known of them", () => {
  const digest = digestOfHex("0".repeat(64));
  const files = [
    { path: "\u{10000}.txt", size: 2, digest, role: "asset" },
    { path: "\uffee.txt", size: 1, digest, role: "doc" },
  ];
  // UTF-8 sorts U+FFEE before U+10000, UTF-16 the other way round.
  expect(revisionContent(EMPTY_REVISION, files)).toBe(
    `{"files":[{"digest":"${digest}","path":"\uffee.txt","size":1},{"digest":"${digest}","path":"\u{10000}.txt","size":2}],"parent":"${EMPTY_REVISION}"}`,
  );
});
