import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lockDataFolder } from "./data-lock.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-lock-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a data folder has one owner; a second is told who it is, and may come when that one is killed", async () => {
  const source = `import { lockDataFolder } from ${JSON.stringify(join(import.meta.dirname, "data-lock.ts"))};
    lockDataFolder(${JSON.stringify(folder)});
    process.stdout.write("locked");
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", source]);
  await once(holder.stdout, "data");
  expect(() => lockDataFolder(folder)).toThrow(`process id ${holder.pid};`);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  const lock = lockDataFolder(folder);
  expect(() => lockDataFolder(folder)).toThrow(`process id ${process.pid};`);
  lock.release();
  lockDataFolder(folder).release();
}, 20_000);
