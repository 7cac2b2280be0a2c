import { createHash } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { problem } from "@modulehub/core/problem";
import type { CheckpointStore } from "./contract.ts";
import type { SamplerPosition } from "./sampler.ts";

/** Where a run stands between two steps. All random numbers are functions of the seed and of this. */
export interface RunState {
  /** Steps done. */
  step: number;
  sampler: SamplerPosition;
  /** The smallest validation loss so far, at which step, and how many looks ago. */
  best: { loss: number; step: number; looksSince: number } | null;
  /** Weights, optimiser state and the best weights, by names of the run's own. */
  tensors: Map<string, Float32Array>;
}

const MAGIC = Buffer.from("modulehub training 1\n");
const DIGEST_BYTES = 32;

interface Header {
  identity: string;
  step: number;
  sampler: SamplerPosition;
  best: RunState["best"];
  tensors: { name: string; length: number }[];
}

/**
 * A state as one file, in pieces: a line that says what it is, the length of the header as a u32, the header as JSON, the
 * tensors as little-endian float32, and the SHA-256 of all that.
 */
export function* checkpointPieces(state: RunState, identity: string): Generator<Uint8Array> {
  const tensors = [...state.tensors];
  const { step, sampler, best } = state;
  const header: Header = {
    identity,
    step,
    sampler,
    best,
    tensors: tensors.map(([name, { length }]) => ({ name, length })),
  };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const hash = createHash("sha256");
  const pieces = [MAGIC, length, text, ...tensors.map(([, data]) => bytesOf(data))];
  for (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
  yield hash.digest();
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Reads a checkpoint. Throws `checkpoint-invalid` where its bytes aren't those that were written, or it is of a run of
 * another identity.
 */
export function parseCheckpoint(bytes: Uint8Array, identity: string): RunState {
  const body = bytes.subarray(0, Math.max(0, bytes.length - DIGEST_BYTES));
  const digest = createHash("sha256").update(body).digest();
  if (!digest.equals(bytes.subarray(body.length)) || !MAGIC.equals(body.subarray(0, MAGIC.length)))
    throw problem("checkpoint-invalid", "The checkpoint is damaged: its digest is not that of its bytes.");
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const start = MAGIC.length + 4;
  const end = start + view.readUInt32LE(MAGIC.length);
  // The digest says that these are the bytes of `checkpointPieces`.
  const header = JSON.parse(view.toString("utf8", start, end)) as Header;
  if (header.identity !== identity)
    throw problem("checkpoint-invalid", "The checkpoint is of a run with other settings or data.");
  const tensors = new Map<string, Float32Array>();
  let at = end;
  for (const { name, length } of header.tensors) {
    tensors.set(
      name,
      new Float32Array(view.buffer.slice(view.byteOffset + at, view.byteOffset + at + length * 4)),
    );
    at += length * 4;
  }
  const { step, sampler, best } = header;
  return { step, sampler, best, tensors };
}

/**
 * Checkpoints in a file: written beside it, flushed to the disk, then put in its place, so that a crash at any moment
 * leaves the new one or the one before.
 */
export function checkpointFile(path: string): CheckpointStore {
  return {
    async read() {
      try {
        return await readFile(path);
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
    },
    async write(pieces) {
      const unfinished = `${path}.unfinished`;
      try {
        await using file = await open(unfinished, "w");
        for (const piece of pieces) await file.writeFile(piece);
        await file.sync();
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      await rename(unfinished, path);
      // The rename itself is on the disk once the folder is.
      await using folder = await open(dirname(path), "r");
      await folder.sync();
    },
  };
}
