import { afterEach, expect, test } from "vitest";
import { affine } from "../testing/graphs.ts";
import { MemorySource, plainSignature, type TestModule, testModule } from "../testing/modules.ts";
import { TOKEN, testWorker } from "../testing/test-worker.ts";
import { keepPinned } from "./pinned.ts";

const row = { dtype: "float32" as const, shape: ["batch", 3] };
const module = (task: string): TestModule =>
  testModule(affine(), { task, signatures: plainSignature(row, row) });

const workers: Awaited<ReturnType<typeof testWorker>>[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.end();
});

async function loaded(worker: Awaited<ReturnType<typeof testWorker>>): Promise<string[]> {
  const { payload } = await worker.app.inject({
    url: "/metrics",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return [...payload.matchAll(/^modulehub_worker_engines\{digest="([^"]+)",mode="wide"\} 1$/gm)].map(
    ([, digest]) => digest!,
  );
}

test("a pinned module is loaded before anybody asks for it, and one that isn't there is tried again", async () => {
  const source = new MemorySource();
  const pinned = source.add(module("one"));
  source.handles.set("acme/one", pinned.digest);
  const worker = await testWorker({ source, pinned: ["acme/none", "acme/one"] });
  workers.push(worker);
  await expect.poll(() => loaded(worker), { timeout: 10_000 }).toEqual([pinned.digest]);
});

test("when a handle comes to stand for another version, that one is loaded before the old one is let go", async () => {
  const said: string[] = [];
  const handles = ["sha256:a", "sha256:b"];
  let asked = 0;
  const lease = (digest: string) => ({
    digest,
    folder: "",
    bytes: 1,
    manifest: { signatures: { default: {} } },
    module: { compileTask: () => undefined },
    release: () => said.push(`release ${digest}`),
  });
  const deps = {
    source: { resolve: async () => handles[Math.min(asked++, 1)] },
    modules: { lease: async (digest: string) => lease(digest) },
    pool: {
      pin: (digest: string) => said.push(`pin ${digest}`),
      unpin: (digest: string) => said.push(`unpin ${digest}`),
      open: async ({ digest }: { digest: string }) => void said.push(`open ${digest}`),
    },
    everyMs: 1,
    onFailure: () => undefined,
  };
  // Only what is used of the parts is there.
  const end = keepPinned(["acme/one:stable"], deps as unknown as Parameters<typeof keepPinned>[1]);
  await expect.poll(() => said).toContain("unpin sha256:a");
  end();
  expect(said).toEqual([
    "pin sha256:a",
    "open sha256:a",
    "pin sha256:b",
    "open sha256:b",
    "release sha256:a",
    "unpin sha256:a",
    "release sha256:b",
  ]);
});
