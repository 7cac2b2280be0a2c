import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { TAR_END, tarHeader, tarPadding } from "./tar-headers.ts";

const folder = mkdtempSync(join(tmpdir(), "modulehub-tar-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What GNU tar says of entries whose bytes are all zeros; the file is sparse, so it costs nothing. */
function listedByTar(entries: { path: string; size: number }[]): string[] {
  const path = join(folder, "sparse.tar");
  const file = openSync(path, "w");
  let place = 0;
  for (const { path, size } of entries) {
    const header = tarHeader({ path, kind: "file", size });
    writeSync(file, header, 0, header.byteLength, place);
    place += header.byteLength + size + tarPadding(size);
  }
  truncateSync(path, place + TAR_END);
  return execFileSync("tar", ["tvf", path], { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } })
    .trim()
    .split("\n")
    .map((line) => line.replace(/^\S+ \S+ +(\d+) \S+ \S+ /, "$1 "));
}

// 8 GiB is where ustar's eleven octal digits end.
test.each([8 ** 11 - 1, 8 ** 11, 10_000_000_001])(
  "GNU tar reads the size %i, and finds the next file",
  (size) => {
    expect(
      listedByTar([
        { path: "big.bin", size },
        { path: "next", size: 3 },
      ]),
    ).toEqual([`${size} big.bin`, "3 next"]);
  },
);

test("GNU tar reads paths at every length around the fields' ends", () => {
  const paths = [98, 99, 100, 101, 154, 155, 156, 157, 254, 255, 256, 257, 258, 400, 512].flatMap(
    (length) => [
      "n".repeat(length),
      `${"d".repeat(length - 51)}/${"n".repeat(50)}`,
      `d/${"n".repeat(length - 2)}`,
      "a/".repeat((length - 1) / 2).padEnd(length, "n"),
    ],
  );
  expect(listedByTar(paths.map((path) => ({ path, size: 7 })))).toEqual(paths.map((path) => `7 ${path}`));
});

test("a short ASCII path needs no extended header, and other paths have one", () => {
  expect(tarHeader({ path: "model.onnx", kind: "file", size: 5 }).byteLength).toBe(512);
  expect(tarHeader({ path: "ü", kind: "file", size: 5 }).byteLength).toBe(3 * 512);
});
