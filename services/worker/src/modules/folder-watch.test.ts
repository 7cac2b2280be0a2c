import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { watchFolder } from "./folder-watch.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "modulehub-watch-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function folder(name: string): Promise<string> {
  await mkdir(join(root, name));
  return join(root, name);
}

test("a folder that is removed is noticed, once", async () => {
  const path = await folder("removed");
  let lost = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  await watchFolder(path, 5, () => {
    lost += 1;
    resolve();
  });
  await rm(path, { recursive: true });
  await promise;
  await sleep(50);
  expect(lost).toBe(1);
});

test("a folder that is removed and made again has lost its files all the same", async () => {
  const path = await folder("replaced");
  const { promise, resolve } = Promise.withResolvers<void>();
  await watchFolder(path, 20, resolve);
  // The old inode is held by nothing and may be used again at once, so another folder takes it first.
  await rm(path, { recursive: true });
  await mkdir(join(root, "in-between"));
  await mkdir(path);
  await promise;
});

test("a folder that stays is left alone, and the watch can be ended", async () => {
  const path = await folder("stays");
  let lost = 0;
  const stop = await watchFolder(path, 5, () => {
    lost += 1;
  });
  await sleep(50);
  stop();
  await rm(path, { recursive: true });
  await sleep(50);
  expect(lost).toBe(0);
});
