import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogFile } from "./log-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-log-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a log is continued, and keeps the file before it when it has grown large", async () => {
  const path = join(folder, "api.log");
  for (const line of ["one\n", "two\n", "three\n", "4\n"]) {
    const log = new LogFile(path, 8);
    log.write(Buffer.from(line));
    log.close();
  }
  expect(await readFile(`${path}.1`, "utf8")).toBe("one\ntwo\n");
  expect(await readFile(path, "utf8")).toBe("three\n4\n");
  expect(await readdir(folder)).toEqual(["api.log", "api.log.1"]);
});

test("a log that can't be written loses lines and harms nothing", () => {
  const log = new LogFile(join(folder, "api.log"));
  log.close();
  log.write(Buffer.from("lost"));
});
