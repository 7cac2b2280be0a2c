import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lockFolder } from "./folder-lock.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-lock-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a lock is held until its process ends, also when nothing there refers to it any more", async () => {
  const source = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, "folder-lock.ts"))};
    lockFolder(${JSON.stringify(folder)}, String);
    setTimeout(() => { gc(); setTimeout(() => process.stdout.write("collected"), 50); }, 50);
    setInterval(() => undefined, 1000);`;
  const holder = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", source]);
  await once(holder.stdout, "data");
  expect(() => lockFolder(folder, (pid) => `held by ${pid}`)).toThrow(`held by ${holder.pid}`);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  lockFolder(folder, String).release();
});

test("a lock file that holds something else is told as such, with what to do", async () => {
  const damaged = await mkdtemp(join(folder, "damaged-"));
  await writeFile(
    join(damaged, "lock"),
    "garbage that is long enough to be read as a header of something else",
  );
  expect(() => lockFolder(damaged, String)).toThrow(/is damaged; make sure that nothing uses the folder/);
});
