import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { PsMemory, procMemory } from "./resident-memory.ts";

const children: ReturnType<typeof spawn>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that takes 200 MB when it is told to. */
async function growing() {
  const source = `let held; process.stdout.write("up");
    process.stdin.on("data", () => { held = Buffer.alloc(200e6, 1); process.stdout.write("grown"); });`;
  const child = spawn(process.execPath, ["-e", source], { stdio: ["pipe", "pipe", "ignore"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

const HAS_PS = existsSync("/bin/ps");
if (!HAS_PS) console.info("Memory as ps tells it is not tested: there is no /bin/ps here.");

test.runIf(HAS_PS)("without /proc, ps tells what a process holds as it grows and ends", async () => {
  const memory = new PsMemory(20);
  const child = await growing();
  const before = memory.of(child.pid!);
  expect(before).toBeGreaterThan(10e6);
  child.stdin!.write("grow");
  await once(child.stdout!, "data");
  await expect.poll(() => memory.of(child.pid!)).toBeGreaterThan(before + 190e6);
  if (existsSync("/proc/self/status"))
    expect(Math.abs(memory.of(child.pid!) / procMemory.of(child.pid!) - 1)).toBeLessThan(0.1);
  child.kill("SIGKILL");
  await once(child, "exit");
  await expect.poll(() => memory.of(child.pid!)).toBe(0);
});
