import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withFileLock } from "./file-lock.ts";

let folder: string;
const lock = () => join(folder, "lock");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-lock-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("work under one lock is done one after the other, and nothing is left", async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(10);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => withFileLock(lock(), work)));
  expect(most).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

test("the lock of a process that was killed is taken over", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  await writeFile(lock(), JSON.stringify({ pid: child.pid, host: hostname(), id: "x" }));
  const owner = await withFileLock(lock(), () => readFile(lock(), "utf8"));
  expect(JSON.parse(owner)).toMatchObject({ pid: process.pid });
});

test("the lock of another machine is respected while it is touched, and taken over when it is not", async () => {
  await writeFile(lock(), JSON.stringify({ pid: process.pid, host: "another", id: "x" }));
  const signal = AbortSignal.timeout(200);
  await expect(withFileLock(lock(), async () => {}, { signal })).rejects.toMatchObject({
    name: "TimeoutError",
  });
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(lock(), longAgo, longAgo);
  expect(await withFileLock(lock(), async () => "mine")).toBe("mine");
});

test("many that find a lock left over still work one after the other", async () => {
  const longAgo = new Date(Date.now() - 60_000);
  await writeFile(lock(), "half-writ");
  await utimes(lock(), longAgo, longAgo);
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      withFileLock(lock(), async () => {
        most = Math.max(most, ++inside);
        await sleep(5);
        inside -= 1;
      }),
    ),
  );
  expect(most).toBe(1);
});
