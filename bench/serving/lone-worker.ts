import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import {
  type Batching,
  type Content,
  type Digest,
  digestOfHex,
  INTERNAL_ROUTES,
  parseManifest,
  type VersionFile,
  versionContent,
} from "@modulehub/core";
import { startWorker } from "../services.ts";
import type { LoadRequest } from "./load/contract.ts";
import type { Metrics } from "./metrics.ts";
import { workerCall, workerMetrics } from "./worker-call.ts";

/** A version that a hub could have, its bytes here: a path in the file system, or the bytes. */
export interface StoredModule {
  content: Content;
  blobs: Map<Digest, string | Uint8Array>;
}

/** A worker without an API: its modules come from this process, so that many need not be published. */
export interface LoneWorker {
  url: string;
  pid: number;
  call(module: StoredModule): LoadRequest;
  metrics(): Promise<Metrics>;
  stop(): Promise<void>;
}

/** @param settings environment of the worker */
export async function startLoneWorker(
  modules: readonly StoredModule[],
  settings: Record<string, string> = {},
): Promise<LoneWorker> {
  const contents = new Map(modules.map(({ content }) => [content.digest, content]));
  const blobs = new Map(modules.flatMap((module) => [...module.blobs]));
  const source = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? "");
    const digest = url.slice(url.indexOf("sha256:")) as Digest;
    const content = url.startsWith(INTERNAL_ROUTES.contents) ? contents.get(digest) : undefined;
    const blob = url.startsWith(INTERNAL_ROUTES.blobs) ? blobs.get(digest) : undefined;
    if (content) response.end(JSON.stringify(content));
    else if (typeof blob === "string") createReadStream(blob).pipe(response);
    else if (blob) response.end(blob);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => source.listen(0, "127.0.0.1", resolve));
  const { port } = source.address() as AddressInfo;
  const cache = mkdtempSync(join(tmpdir(), "modulehub-bench-"));
  const token = randomBytes(24).toString("hex");
  const worker = await startWorker(`http://127.0.0.1:${port}`, token, cache, settings);
  return {
    url: worker.url,
    pid: worker.pid,
    call: ({ content }) => workerCall(worker.url, token, content.digest),
    metrics: () => workerMetrics(worker.url, token),
    async stop() {
      await worker.stop();
      source.closeAllConnections();
      await new Promise((resolve) => source.close(resolve));
      rmSync(cache, { recursive: true, force: true });
    },
  };
}

/**
 * A folder as a version of a module. Another `title` for its first example makes another version of the same bytes,
 * with a digest of its own.
 */
export function storedFolder(
  folder: string,
  batching: Record<string, Batching> = {},
  title?: string,
): StoredModule {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name));
  const entries = files.map((path): [string, string | Uint8Array] => [relative(folder, path), path]);
  return stored(retitled(new Map(entries), title), batching);
}

/** A graph and its manifest as a version of a module. */
export function storedGraph(
  graph: Uint8Array,
  manifest: { signatures: object; examples?: object[] },
  batching: Record<string, Batching> = {},
  title?: string,
): StoredModule {
  const json = Buffer.from(JSON.stringify({ schemaVersion: 1, task: "bench", ...manifest }));
  const entries = new Map<string, string | Uint8Array>([
    ["model.onnx", graph],
    ["module.json", json],
  ]);
  return stored(retitled(entries, title), batching);
}

type Entries = Map<string, string | Uint8Array>;

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? readFileSync(content) : content;

function retitled(entries: Entries, title: string | undefined): Entries {
  if (title === undefined) return entries;
  const manifest: { examples?: object[] } = JSON.parse(
    Buffer.from(bytesOf(entries.get("module.json")!)).toString(),
  );
  const [first, ...others] = manifest.examples ?? [];
  const changed = { ...manifest, examples: [{ ...first, title }, ...others] };
  return new Map(entries).set("module.json", Buffer.from(JSON.stringify(changed)));
}

/** Digests of files that were hashed already: copies of a module share theirs. */
const hashed = new Map<string, string>();

function stored(entries: Entries, batching: Record<string, Batching>): StoredModule {
  const blobs = new Map<Digest, string | Uint8Array>();
  const files = [...entries].map(([path, content]): VersionFile => {
    const known = typeof content === "string" ? hashed.get(content) : undefined;
    const hex = known ?? sha256(bytesOf(content));
    if (typeof content === "string") hashed.set(content, hex);
    const digest = digestOfHex(hex);
    blobs.set(digest, content);
    const size = typeof content === "string" ? statSync(content).size : content.byteLength;
    return { path, size, digest, role: path.endsWith(".onnx") ? "graph" : "asset" };
  });
  const manifest = parseManifest(bytesOf(entries.get("module.json")!));
  const digest = digestOfHex(sha256(Buffer.from(versionContent(files, manifest))));
  return { content: { digest, files, batching }, blobs };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
