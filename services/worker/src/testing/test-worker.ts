import { NO_TRACING } from "@modulehub/tracing";
import { startWorker, type WorkerSettings } from "../worker.ts";
import { MemoryJobFiles } from "./job-files.ts";
import { MemorySource, type TestModule, temporaryFolder } from "./modules.ts";

export const TOKEN = "a-token-for-tests-only";

/** A worker with real engines over a hub in memory. */
export async function testWorker(settings: Partial<WorkerSettings> = {}) {
  const source = new MemorySource();
  const jobFiles = new MemoryJobFiles(source);
  const { folder, remove } = await temporaryFolder();
  const worker = await startWorker({
    source,
    jobFiles,
    jobsAtOnce: 2,
    jobMemory: 2 ** 30,
    checkpointMs: 0,
    token: TOKEN,
    cacheFolder: folder,
    cacheBytes: 2 ** 30,
    memoryBudget: 3 * 2 ** 30,
    engineMemory: 2 ** 30,
    maxBodyBytes: 64 * 2 ** 20,
    loadMs: 20_000,
    runMs: 10_000,
    requestMs: 60_000,
    cores: 2,
    executionProviders: ["cpu"],
    pinned: [],
    extraIdleMs: 120_000,
    longestWaitMs: 20_000,
    drainMs: 10_000,
    onCacheLost: () => {
      throw new Error("the cache folder of a test was removed");
    },
    searchPath: process.env.PATH ?? "",
    logger: false,
    tracing: NO_TRACING,
    ...settings,
  }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const headers = (module: TestModule, caller = "tester"): Record<string, string> => ({
    authorization: `Bearer ${TOKEN}`,
    "modulehub-digest": module.digest,
    "modulehub-module": "test/module",
    "modulehub-version": "1",
    "modulehub-caller": caller,
  });
  return {
    ...worker,
    source,
    jobFiles,
    folder,
    headers,
    post: (route: string, module: TestModule, body: unknown, caller?: string) =>
      worker.app.inject({
        method: "POST",
        url: route,
        headers: { ...headers(module, caller), "content-type": "application/json" },
        payload: JSON.stringify(body),
      }),
    end: async () => {
      await worker.close();
      await remove();
    },
  };
}
