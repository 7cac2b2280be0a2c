/**
 * Bytes on their way out of a store, for one reader. A piece is lent: its memory is used again for another once the
 * next is asked for, so that a download costs no more memory than it began with.
 */
export interface Pieces extends AsyncIterable<Uint8Array> {
  /** Lets go of what is open, at any time; so does reading to the end, and stopping to. */
  close(): Promise<void>;
}

/** All bytes, for those that want to keep them. */
export async function readWhole(pieces: Pieces): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}
