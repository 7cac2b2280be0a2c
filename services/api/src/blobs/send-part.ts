import type { Readable } from "node:stream";
import { problem, saysStoreFull } from "@modulehub/core";
import { request } from "undici";
import type { BlobStore, Part, StoreUpload } from "./blob-store.ts";
import { AGAIN, STORE_FULL } from "./full-store.ts";

/** Begins an upload of bytes that the hub sends itself, a worker's or another store's; one without parts needs none. */
export async function beginUpload(
  { parts: way }: BlobStore,
  key: string,
  parts: readonly Part[],
): Promise<StoreUpload> {
  return { key, handle: way.way === "direct" && parts.length > 0 ? await way.begin(key) : "" };
}

/**
 * Sends a part to a store, whichever way it takes parts. Throws `size-mismatch` for a body that ends early, and
 * `store-unavailable`.
 */
export async function sendPart(
  { parts: way }: BlobStore,
  upload: StoreUpload,
  part: Part,
  body: Readable,
): Promise<void> {
  if (way.way === "hub") return way.write(upload, part, body);
  const [url] = await way.urls(upload, [part]);
  if (url === undefined) throw new TypeError("a store gives an address for each part");
  const headers = { "content-length": String(part.size) };
  const answer = await request(url, { method: "PUT", headers, body }).catch((cause: unknown) => {
    if (body.readableAborted) throw problem("size-mismatch", "The file ended early.", { cause });
    throw problem("store-unavailable", `The blob store did not take part ${part.number} of ${upload.key}.`, {
      cause,
    });
  });
  const said = await answer.body.text();
  if (answer.statusCode === 200) return;
  const what = `The blob store answered ${answer.statusCode} to part ${part.number} of ${upload.key}.`;
  throw problem("store-unavailable", saysStoreFull(answer.statusCode, said) ? STORE_FULL : what, {
    retryAfter: AGAIN,
  });
}
