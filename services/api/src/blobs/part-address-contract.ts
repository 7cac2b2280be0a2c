import { expect } from "vitest";
import { beginUpload, putPart } from "../testing/store-parts.ts";
import type { BlobStore } from "./blob-store.ts";

/**
 * What every server keeps to about the addresses that the hub signs: another upload, another part, another length and
 * a time that is over are refused, and nothing is kept of them. `expire` lets the time of an address run out.
 */
export async function addressContract(store: BlobStore, expire: () => Promise<void>): Promise<void> {
  const [mine, other] = [await beginUpload(store), await beginUpload(store)];
  if (store.parts.way !== "direct") throw new Error("not an S3 store");
  const part = { number: 1, size: 4 };
  const [url] = await store.parts.urls(mine, [part]);
  const refused = (address: string, bytes: string, why: RegExp) =>
    expect(putPart(address, Buffer.from(bytes))).rejects.toThrow(why);
  const forged = /The store answered 403: .*SignatureDoesNotMatch/s;
  await refused(url!.replaceAll(mine.handle, other.handle), "part", forged);
  await refused(url!.replaceAll(mine.key, other.key).replaceAll(mine.handle, other.handle), "part", forged);
  await refused(url!.replace("partNumber=1", "partNumber=2"), "part", forged);
  await refused(url!, "longer", forged);
  await putPart(url!, Buffer.from("part"));
  await expire();
  await refused(url!, "late", /The store answered 40[03]: .*(AccessDenied|ExpiredToken|[Ee]xpired)/s);
  expect(await store.received(mine, [part])).toEqual([1]);
  expect(await store.received(other, [part])).toEqual([]);
}
