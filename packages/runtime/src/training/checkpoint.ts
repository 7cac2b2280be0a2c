import { createHash } from "node:crypto";
import { type ProblemError, problem } from "@modulehub/core/problem";
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

const MAGIC = Buffer.from("modulehub training 2\n");
const DIGEST_BYTES = 32;
const MAX_HEADER_BYTES = 2 ** 24;
/** A hash takes no more than 2 GiB at once, and a table may have more. */
const PIECE_BYTES = 2 ** 26;

interface Header {
  identity: string;
  step: number;
  sampler: SamplerPosition;
  best: RunState["best"];
  tensors: { name: string; length: number }[];
}

/**
 * A state as one file, in pieces: a line that says what it is, the length of the header as a u32, the header as JSON, the
 * SHA-256 of all that, the tensors as little-endian float32, and the SHA-256 of everything before it.
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
  const hashed = (piece: Uint8Array): Uint8Array => {
    hash.update(piece);
    return piece;
  };
  for (const piece of [MAGIC, length, text]) yield hashed(piece);
  yield hashed(hash.copy().digest());
  for (const [, data] of tensors) for (const piece of piecesOf(data)) yield hashed(piece);
  yield hash.digest();
}

function* piecesOf({ buffer, byteOffset, byteLength }: Float32Array): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += PIECE_BYTES)
    yield new Uint8Array(buffer, byteOffset + at, Math.min(PIECE_BYTES, byteLength - at));
}

/**
 * Reads a checkpoint from pieces, which may be cut anywhere, into tensors of their own. Throws `checkpoint-invalid`
 * where its bytes aren't those that were written, or it is of a run of another identity.
 */
export async function readCheckpoint(pieces: AsyncIterable<Uint8Array>, identity: string): Promise<RunState> {
  await using bytes = new HashedBytes(pieces);
  if (!MAGIC.equals(await bytes.take(MAGIC.length))) throw damaged();
  const length = (await bytes.take(4)).readUInt32LE();
  if (length > MAX_HEADER_BYTES) throw damaged();
  const text = await bytes.take(length);
  await bytes.checkDigest();
  // The digest says that these are the bytes of `checkpointPieces`.
  const header = JSON.parse(text.toString()) as Header;
  if (header.identity !== identity)
    throw problem("checkpoint-invalid", "The checkpoint is of a run with other settings or data.");
  const tensors = new Map<string, Float32Array>();
  for (const { name, length } of header.tensors) {
    const data = new Float32Array(length);
    await bytes.fill(new Uint8Array(data.buffer));
    tensors.set(name, data);
  }
  await bytes.checkDigest();
  await bytes.checkEnd();
  const { step, sampler, best } = header;
  return { step, sampler, best, tensors };
}

const damaged = (): ProblemError =>
  problem("checkpoint-invalid", "The checkpoint is damaged: its digest is not that of its bytes.");

/** Takes as many bytes at a time as are wanted from pieces of any size, and hashes them. */
class HashedBytes {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #hash = createHash("sha256");
  #rest: Uint8Array = new Uint8Array();

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async fill(target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length; ) {
      if (!(await this.#more())) throw damaged();
      const part = this.#rest.subarray(0, target.length - at);
      this.#rest = this.#rest.subarray(part.length);
      this.#hash.update(part);
      target.set(part, at);
      at += part.length;
    }
  }

  async take(length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await this.fill(bytes);
    return bytes;
  }

  /** The next bytes must be the digest of those taken so far. */
  async checkDigest(): Promise<void> {
    const digest = this.#hash.copy().digest();
    if (!digest.equals(await this.take(DIGEST_BYTES))) throw damaged();
  }

  async checkEnd(): Promise<void> {
    if (await this.#more()) throw damaged();
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#pieces.next();
      if (next.done) return false;
      this.#rest = next.value;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.();
  }
}
