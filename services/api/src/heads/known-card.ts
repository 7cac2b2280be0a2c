import type { Digest } from "@modulehub/core";
import type { BlobStore } from "../blobs/blob-store.ts";
import { readText } from "../blobs/read-text.ts";
import type { Database } from "../database/client.ts";
import type { ListedFile } from "../publish/file-list.ts";
import { CARD_BYTES, readCard, type StoredCard } from "../registry/card.ts";

/** The card that a README's bytes hold. */
export interface KnownCard {
  /** Undefined where there is no README.md. */
  readme: Digest | undefined;
  card: StoredCard;
}

/** That a change needs the card of a README whose bytes were not read. */
export class CardNeeded {
  readonly readme: Digest | undefined;

  constructor(readme: Digest | undefined) {
    this.readme = readme;
  }
}

/** The card of some files, if it is known; else what is needed. */
export function cardOf(files: readonly ListedFile[], known: KnownCard | undefined): StoredCard | CardNeeded {
  const readme = files.find(({ path }) => path === "README.md")?.digest;
  return known !== undefined && known.readme === readme ? known.card : new CardNeeded(readme);
}

/**
 * Makes a change that may need the card of a README. Bytes are read while nothing is locked, so the change says which
 * ones, having changed nothing, and is then made again.
 */
export async function withCard<T>(
  { database, store }: { database: Database; store: BlobStore },
  change: (known: KnownCard | undefined) => Promise<T | CardNeeded>,
): Promise<T> {
  for (let known: KnownCard | undefined; ; ) {
    const done = await change(known);
    if (!(done instanceof CardNeeded)) return done;
    const { readme } = done;
    const text = readme && (await readText(database.prisma, store, readme, CARD_BYTES));
    known = { readme, card: readCard(text) };
  }
}
