import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type Digest, digestOfHex } from "@modulehub/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BlobStore, StoredName } from "./blob-store.ts";
import { readWhole } from "./pieces.ts";

/** A store to be tested, and how to make it go away. */
export interface StoreUnderTest {
  store: BlobStore;
  close(): Promise<void>;
}

/** The tests that every blob store passes. `open` makes an empty one. */
export function blobStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`blob store: ${name}`, () => {
    let tested: StoreUnderTest;
    let store: BlobStore;
    beforeAll(async () => {
      tested = await open();
      store = tested.store;
    });
    afterAll(() => tested.close());

    const sha256 = (bytes: Uint8Array): Digest =>
      digestOfHex(createHash("sha256").update(bytes).digest("hex"));
    const part = (upload: string, number: number, bytes: Uint8Array, size = bytes.byteLength) =>
      store.writePart(upload, number, Readable.from(chunked(bytes)), size);
    const read = async (key: string, size: number, range?: { start: number; end: number }) =>
      readWhole(await store.read(key, size, range));

    const listAll = async (what: "blobs" | "uploads"): Promise<StoredName[]> => {
      const items: StoredName[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list(what, cursor);
        items.push(...page.items);
        cursor = page.next;
      } while (cursor !== undefined);
      return items;
    };

    test("parts are joined in the order given, and what they are is told", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      const bytes = randomBytes(300_000);
      await part(upload, 2, bytes.subarray(200_000));
      await part(upload, 1, bytes.subarray(0, 200_000));
      expect(await store.assemble(upload, [1, 2], key)).toEqual({ size: 300_000, digest: sha256(bytes) });
      expect((await read(key, 300_000)).equals(bytes)).toBe(true);
    });

    test("a part that is sent again replaces the earlier one", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, Buffer.from("before"));
      await part(upload, 1, Buffer.from("after"));
      await store.assemble(upload, [1], key);
      expect((await read(key, 5)).toString()).toBe("after");
    });

    test("a part of another size is refused, and the earlier one stays", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, Buffer.from("right"));
      for (const size of [2, 9])
        await expect(part(upload, 1, Buffer.from("wrong"), size)).rejects.toMatchObject({
          code: "size-mismatch",
        });
      await store.assemble(upload, [1], key);
      expect((await read(key, 5)).toString()).toBe("right");
    });

    test("a part whose source breaks leaves nothing", async () => {
      const upload = randomUUID();
      const broken = new Readable({
        read() {
          this.push("half");
          this.destroy(new Error("the source broke"));
        },
      });
      await expect(store.writePart(upload, 1, broken, 8)).rejects.toThrow();
      await expect(store.assemble(upload, [1], randomUUID())).rejects.toMatchObject({
        code: "upload-incomplete",
      });
    });

    test("an upload without parts makes an empty blob", async () => {
      const key = randomUUID();
      expect(await store.assemble(randomUUID(), [], key)).toEqual({
        size: 0,
        // The sha256 of nothing, from FIPS 180-4's test vectors.
        digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      });
      expect((await read(key, 0)).byteLength).toBe(0);
    });

    test("a range is read with both its ends", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, Buffer.from("0123456789"));
      await store.assemble(upload, [1], key);
      expect((await read(key, 10, { start: 2, end: 5 })).toString()).toBe("2345");
      expect((await read(key, 10, { start: 9, end: 9 })).toString()).toBe("9");
    });

    test("many pieces have the same bytes as the whole, also for several readers at once", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      const bytes = randomBytes(3_000_001);
      await part(upload, 1, bytes);
      await store.assemble(upload, [1], key);
      const range = { start: 1_000, end: 2_999_999 };
      const readers = Array.from({ length: 5 }, async () => {
        let place = range.start;
        for await (const piece of await store.read(key, bytes.byteLength, range)) {
          // A reader that takes its time: the piece stays what it is until the next is asked for.
          await setImmediate();
          expect(bytes.subarray(place, place + piece.byteLength).equals(piece)).toBe(true);
          place += piece.byteLength;
        }
        expect(place).toBe(3_000_000);
      });
      await Promise.all(readers);
    });

    test("bytes are let go of by who stops in the middle, or never begins", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, randomBytes(1_000_000));
      await store.assemble(upload, [1], key);
      await (await store.read(key, 1_000_000)).close();
      const pieces = await store.read(key, 1_000_000);
      for await (const _ of pieces) break;
      await pieces.close();
      await store.delete(key);
    });

    test("a reader that has begun gets all bytes although they are deleted meanwhile", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      const bytes = randomBytes(1_000_000);
      await part(upload, 1, bytes);
      await store.assemble(upload, [1], key);
      const pieces = await store.read(key, bytes.byteLength);
      await store.delete(key);
      expect((await readWhole(pieces)).equals(bytes)).toBe(true);
    });

    test("a blob outlives its upload's parts", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, Buffer.from("kept"));
      await store.assemble(upload, [1], key);
      await store.discardUpload(upload);
      await store.discardUpload(upload);
      expect((await read(key, 4)).toString()).toBe("kept");
    });

    test("bytes that are lost, or not as many as there were, are the store's fault", async () => {
      const [upload, key] = [randomUUID(), randomUUID()];
      await part(upload, 1, Buffer.from("short"));
      await store.assemble(upload, [1], key);
      await expect(store.read(key, 6)).rejects.toMatchObject({ code: "store-unavailable", status: 503 });
      await store.delete(key);
      await store.delete(key);
      await expect(store.read(key, 5)).rejects.toMatchObject({ code: "store-unavailable", status: 503 });
    });

    test("what is there is listed whole, page by page, with the time when it was written", async () => {
      const before = Date.now();
      const keys = Array.from({ length: 5 }, () => randomUUID());
      const [open, assembled] = [randomUUID(), randomUUID()];
      await part(open, 1, Buffer.from("waiting"));
      for (const key of keys) {
        await part(assembled, 1, Buffer.from(key));
        await store.assemble(assembled, [1], key);
      }
      await store.discardUpload(assembled);
      await store.delete(keys[4]!);
      const blobs = await listAll("blobs");
      for (const key of keys.slice(0, 4)) {
        const found = blobs.filter(({ name }) => name === key);
        expect(found).toHaveLength(1);
        // Clocks of stores may be a little off, and tell seconds only.
        expect(Math.abs(found[0]!.writtenAt.getTime() - before)).toBeLessThan(30_000);
      }
      expect(blobs.map(({ name }) => name)).not.toContain(keys[4]);
      const uploads = (await listAll("uploads")).map(({ name }) => name);
      expect(uploads.filter((name) => name === open)).toHaveLength(1);
      expect(uploads).not.toContain(assembled);
    });

    test("a store that works passes its check", async () => {
      await store.check();
    });
  });
}

function* chunked(bytes: Uint8Array): Generator<Buffer> {
  for (let offset = 0; offset < bytes.byteLength; offset += 65_536)
    yield Buffer.from(bytes.subarray(offset, offset + 65_536));
}
