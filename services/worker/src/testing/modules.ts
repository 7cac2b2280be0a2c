import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  type Batching,
  type Content,
  type Digest,
  digestOfHex,
  parseManifest,
  problem,
  type Signature,
  type VersionFile,
  versionContent,
} from "@modulehub/core";
import type { ModuleSource } from "../modules/source.ts";

/** A folder for a test, and how to remove it. */
export async function temporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "modulehub-worker-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

export interface TestModule {
  digest: Digest;
  files: VersionFile[];
  blobs: Map<Digest, Uint8Array>;
  batching: Record<string, Batching>;
}

const digestOf = (bytes: Uint8Array): Digest => digestOfHex(createHash("sha256").update(bytes).digest("hex"));

/** A module of a graph, its manifest and whatever else. */
export function testModule(
  graph: Uint8Array,
  manifest: { task?: string; signatures: Record<string, Signature>; examples?: unknown[] },
  others: Record<string, Uint8Array> = {},
  batching: Record<string, Batching> = {},
): TestModule {
  const json = Buffer.from(JSON.stringify({ schemaVersion: 1, task: "test", ...manifest }));
  const all: Record<string, Uint8Array> = { "module.json": json, "model.onnx": graph, ...others };
  const blobs = new Map<Digest, Uint8Array>();
  const files = Object.entries(all).map(([path, bytes]): VersionFile => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { path, size: bytes.byteLength, digest, role: path.endsWith(".onnx") ? "graph" : "asset" };
  });
  const digest = digestOf(Buffer.from(versionContent(files, parseManifest(json))));
  return { digest, files, blobs, batching };
}

/** A hub in memory, which counts what it is asked for and can be made to answer wrongly. */
export class MemorySource implements ModuleSource {
  readonly contents = new Map<Digest, Content>();
  readonly blobs = new Map<Digest, Uint8Array>();
  /** What handles stand for. */
  readonly handles = new Map<string, Digest>();
  readonly asked: string[] = [];
  /** Called for each blob before it is answered; may throw, or give other bytes. */
  tamper: (digest: Digest, bytes: Uint8Array) => Uint8Array | Readable = (_digest, bytes) => bytes;

  add(module: TestModule): TestModule {
    const { digest, files, batching } = module;
    this.contents.set(digest, { digest, files, batching });
    for (const [blob, bytes] of module.blobs) this.blobs.set(blob, bytes);
    return module;
  }

  async content(digest: Digest): Promise<Content> {
    this.asked.push(`content ${digest}`);
    const content = this.contents.get(digest);
    if (!content) throw problem("version-not-found");
    return content;
  }

  async resolve(handle: string): Promise<Digest> {
    this.asked.push(`resolve ${handle}`);
    const digest = this.handles.get(handle);
    if (!digest) throw problem("version-not-found");
    return digest;
  }

  async blob(digest: Digest): Promise<Readable> {
    this.asked.push(`blob ${digest}`);
    const bytes = this.blobs.get(digest);
    if (!bytes) throw problem("blob-not-found");
    const answer = this.tamper(digest, bytes);
    return answer instanceof Readable ? answer : Readable.from([answer]);
  }
}

/** A signature without steps, of one input x and one output y. */
export const plainSignature = (
  x: Signature["inputs"][string],
  y: Signature["outputs"][string],
): Record<string, Signature> => ({ default: { inputs: { x }, outputs: { y } } });
