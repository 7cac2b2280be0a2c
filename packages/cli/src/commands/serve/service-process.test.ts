import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeptAlive } from "./kept-alive.ts";
import { freePort } from "./port.ts";
import { type Ending, ServiceProcess } from "./service-process.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modulehub-serve-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A service that is a few lines of JavaScript. */
async function service(code: string): Promise<() => ServiceProcess> {
  const main = join(folder, "service.mjs");
  await writeFile(main, code);
  return () =>
    new ServiceProcess({
      name: "service",
      main,
      environment: { PATH: process.env.PATH },
      logFile: join(folder, "service.log"),
    });
}

const LISTENS = `process.send({ kind: "listening", url: "http://127.0.0.1:1" });`;

test("a service says where it listens, and ends when it is asked to", async () => {
  const start = await service(`
    process.on("SIGTERM", () => { console.log("bye"); process.exit(0); });
    setInterval(() => {}, 1000);
    ${LISTENS}`);
  const running = start();
  expect(await running.listening).toBe("http://127.0.0.1:1");
  expect(await running.stop(5_000)).toEqual({ code: 0, signal: null, tail: "" });
  expect(await readFile(join(folder, "service.log"), "utf8")).toBe("bye\n");
});

test("a service that will not end is killed after its grace", async () => {
  const start = await service(`process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); ${LISTENS}`);
  const running = start();
  await running.listening;
  expect((await running.stop(100)).signal).toBe("SIGKILL");
});

test("what a service said before it died at its start is the error", async () => {
  const start = await service(`console.error("The data folder is held by process 7."); process.exit(1);`);
  await expect(start().listening).rejects.toThrow("The data folder is held by process 7.");
});

test("a service that dies is started again, with a pause that grows, until it is stopped", async () => {
  const start = await service(`
    process.on("disconnect", () => process.exit(0));
    process.on("SIGTERM", () => process.exit(0));
    ${LISTENS}`);
  const started: ServiceProcess[] = [];
  const startNoted = () => {
    const next = start();
    started.push(next);
    return next;
  };
  const restarts: { ending: Ending; pause: number }[] = [];
  const kept = new KeptAlive(startNoted(), startNoted, (ending, pause) => restarts.push({ ending, pause }));
  await started[0]?.listening;
  started[0]?.kill();
  await expect.poll(() => started.length, { timeout: 5_000 }).toBe(2);
  await started[1]?.listening;
  started[1]?.kill();
  await expect.poll(() => started.length, { timeout: 5_000 }).toBe(3);
  await started[2]?.listening;
  await kept.stop(5_000);
  expect(restarts.map(({ ending, pause }) => [ending.signal, pause])).toEqual([
    ["SIGKILL", 200],
    ["SIGKILL", 400],
  ]);
  expect(started).toHaveLength(3);
});

test("a port that is taken is told in one sentence", async () => {
  const holder = createServer();
  const port = await new Promise<number>((resolve) =>
    holder.listen(0, "127.0.0.1", () => {
      const address = holder.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    }),
  );
  await expect(freePort("127.0.0.1", port)).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is taken. Stop what serves there, or choose another with --port.`,
  );
  holder.close();
});
