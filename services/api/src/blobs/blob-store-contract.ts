import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type Digest, digestOfHex } from "@modulehub/core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { beginUpload, partsOf, putPart, sendPart, storeBytes } from "../testing/store-parts.ts";
import type { BlobStore, StoredName, StoreUpload } from "./blob-store.ts";
import { readWhole } from "./pieces.ts";
import { storeStream } from "./store-stream.ts";

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
    afterAll(() => tested?.close());

    const sha256 = (bytes: Uint8Array): Digest =>
      digestOfHex(createHash("sha256").update(bytes).digest("hex"));
    const begin = (): Promise<StoreUpload> => beginUpload(store);
    const read = async (key: string, size: number, range?: { start: number; end: number }) =>
      readWhole(await store.read(key, size, range));
    const stored = async (bytes: Uint8Array): Promise<string> => {
      const key = randomUUID();
      await storeBytes(store, key, bytes);
      return key;
    };
    const log = { warn: () => undefined };
    const one = (size: number) => [{ number: 1, size }];
    /** A digest that a store tells is the right one; it may tell none. */
    const told = (digest: Digest | undefined, bytes: Uint8Array) =>
      expect(digest ?? sha256(bytes)).toBe(sha256(bytes));

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
    /** A list may be late. */
    const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 5_000, interval: 100 });

    test("parts that come in any order, also at once, are joined in theirs", async () => {
      const upload = await begin();
      const size = Math.max(store.leastPartSize, 100_000);
      const bytes = randomBytes(2 * size + 1_000);
      const parts = partsOf(bytes.byteLength, size);
      const bytesOf = (number: number) => bytes.subarray((number - 1) * size, number * size);
      await sendPart(store, upload, parts[2]!, bytesOf(3));
      expect(await store.received(upload, parts)).toEqual([3]);
      await Promise.all(parts.slice(0, 2).map((part) => sendPart(store, upload, part, bytesOf(part.number))));
      expect(await store.received(upload, parts)).toEqual([1, 2, 3]);
      expect(await store.received(upload, parts.slice(1))).toEqual([2, 3]);
      told(await store.assemble(upload, parts), bytes);
      expect((await read(upload.key, bytes.byteLength)).equals(bytes)).toBe(true);
    });

    test("bytes that pass the hub lie in the store whole, empty ones too, and their digest is told", async () => {
      // A stream can't be sent twice, so that who makes it tries again where the store could not.
      const sent = (file: { key: string; size: number; digest: Digest }, bytes: Uint8Array) =>
        vi.waitFor(() => storeStream({ store, log }, file, Readable.from([bytes])), { timeout: 20_000 });
      for (const bytes of [randomBytes(300_000), Buffer.alloc(0)]) {
        const [key, size] = [randomUUID(), bytes.byteLength];
        const digest = sha256(bytes);
        expect(await sent({ key, size, digest }, bytes)).toBe(digest);
        expect((await read(key, size)).equals(bytes)).toBe(true);
        // Other bytes than were promised are there too, by their own digest: who sent them decides.
        const other = { key: randomUUID(), size, digest: sha256(Buffer.from("others")) };
        expect(await sent(other, bytes)).toBe(digest);
      }
    });

    test("a part that is sent again replaces the earlier one", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 5 }, Buffer.from("other"));
      await sendPart(store, upload, { number: 1, size: 5 }, Buffer.from("after"));
      told(await store.assemble(upload, one(5)), Buffer.from("after"));
      expect((await read(upload.key, 5)).toString()).toBe("after");
    });

    test("a part of another size is refused, and the earlier one stays", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 5 }, Buffer.from("right"));
      for (const size of [2, 9]) {
        const wrong = sendPart(store, upload, { number: 1, size }, Buffer.from("wrong"));
        if (store.parts.way === "hub") await expect(wrong).rejects.toMatchObject({ code: "size-mismatch" });
        else await expect(wrong).rejects.toThrow(/The store answered 4\d\d/);
      }
      expect(await store.received(upload, one(5))).toEqual([1]);
      await store.assemble(upload, one(5));
      expect((await read(upload.key, 5)).toString()).toBe("right");
    });

    test("a part that has not the size that was expected is missing", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 5 }, Buffer.from("right"));
      await expect(store.assemble(upload, one(6))).rejects.toMatchObject({ code: "upload-incomplete" });
      await expect(store.assemble(upload, [...one(5), { number: 2, size: 1 }])).rejects.toMatchObject({
        code: "upload-incomplete",
      });
      told(await store.assemble(upload, one(5)), Buffer.from("right"));
    });

    test("a part whose source breaks leaves nothing", async () => {
      const upload = await begin();
      const broken = () =>
        new Readable({
          read() {
            this.push("half");
            this.destroy(new Error("the source broke"));
          },
        });
      if (store.parts.way === "hub")
        await expect(store.parts.write(upload, { number: 1, size: 8 }, broken())).rejects.toThrow();
      else {
        const [url] = await store.parts.urls(upload, one(8));
        const body = Readable.toWeb(broken());
        await expect(
          fetch(url!, { method: "PUT", body, duplex: "half", headers: { "content-length": "8" } }),
        ).rejects.toThrow();
      }
      expect(await store.received(upload, one(8))).toEqual([]);
      await expect(store.assemble(upload, one(8))).rejects.toMatchObject({ code: "upload-incomplete" });
    });

    test("an upload without parts makes an empty blob", async () => {
      const key = randomUUID();
      const digest = await store.assemble({ key, handle: "never begun" }, []);
      // The sha256 of nothing, from FIPS 180-4's test vectors.
      if (digest !== undefined)
        expect(digest).toBe("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
      expect((await read(key, 0)).byteLength).toBe(0);
    });

    test("bytes that are there are never changed by the same upload", async () => {
      const upload = await begin();
      const before = Buffer.from("before");
      const parts = one(before.byteLength);
      const late = store.parts.way === "direct" ? (await store.parts.urls(upload, parts))[0] : undefined;
      await sendPart(store, upload, parts[0]!, before);
      await store.assemble(upload, parts);
      const other = Buffer.from("after!");
      // A store may refuse it, or take it for nothing.
      if (late === undefined) await sendPart(store, upload, parts[0]!, other);
      else await expect(putPart(late, other)).rejects.toThrow(/The store answered 4\d\d/);
      told(await store.assemble(upload, parts), before);
      expect(await read(upload.key, 6)).toEqual(before);
    });

    test("asked again what is there of an upload that was joined, a store says so or has its parts", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 4 }, Buffer.from("kept"));
      await store.assemble(upload, one(4));
      expect([["assembled"], [[1]]]).toContainEqual([await store.received(upload, one(4))]);
    });

    test("many that join the same parts at once all have the same bytes", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 4 }, Buffer.from("same"));
      const digests = await Promise.all(Array.from({ length: 4 }, () => store.assemble(upload, one(4))));
      for (const digest of digests) told(digest, Buffer.from("same"));
      expect((await read(upload.key, 4)).toString()).toBe("same");
    });

    test("an upload that was given up takes no parts and makes no blob", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 4 }, Buffer.from("gone"));
      await store.discardUpload(upload.key);
      expect(await store.received(upload, one(4))).toEqual([]);
      await expect(store.assemble(upload, one(4))).rejects.toMatchObject({ code: "upload-incomplete" });
      await expect(store.read(upload.key, 4)).rejects.toMatchObject({ code: "store-unavailable" });
    });

    test("an upload that was begun twice, its first answer lost, is given up whole", async () => {
      const first = await begin();
      const second = await beginUpload(store, first.key);
      await sendPart(store, first, { number: 1, size: 5 }, Buffer.from("first"));
      await sendPart(store, second, { number: 1, size: 5 }, Buffer.from("again"));
      await store.discardUpload(first.key);
      for (const upload of [first, second]) expect(await store.received(upload, one(5))).toEqual([]);
      await eventually(async () => {
        expect((await listAll("uploads")).map(({ name }) => name)).not.toContain(first.key);
      });
    });

    test("a range is read with both its ends", async () => {
      const key = await stored(Buffer.from("0123456789"));
      expect((await read(key, 10, { start: 2, end: 5 })).toString()).toBe("2345");
      expect((await read(key, 10, { start: 9, end: 9 })).toString()).toBe("9");
    });

    test("many pieces have the same bytes as the whole, also for several readers at once", async () => {
      const bytes = randomBytes(3_000_001);
      const key = await stored(bytes);
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
      const key = await stored(randomBytes(1_000_000));
      await (await store.read(key, 1_000_000)).close();
      const pieces = await store.read(key, 1_000_000);
      for await (const _ of pieces) break;
      await pieces.close();
      await store.delete(key);
    });

    test("a reader that has begun gets all bytes, or an error, although they are deleted meanwhile", async () => {
      const bytes = randomBytes(1_000_000);
      const key = await stored(bytes);
      const pieces = await store.read(key, bytes.byteLength);
      await store.delete(key);
      const got = await readWhole(pieces).catch((error: unknown) => error);
      if (got instanceof Buffer) expect(got.equals(bytes)).toBe(true);
      else expect(got).toMatchObject({ code: "store-unavailable" });
    });

    test("a blob outlives its upload's parts", async () => {
      const upload = await begin();
      await sendPart(store, upload, { number: 1, size: 4 }, Buffer.from("kept"));
      await store.assemble(upload, one(4));
      await store.discardUpload(upload.key);
      await store.discardUpload(upload.key);
      expect((await read(upload.key, 4)).toString()).toBe("kept");
    });

    test("bytes that are lost, or not as many as there were, are the store's fault and named", async () => {
      const key = await stored(Buffer.from("short"));
      const lost = { code: "store-unavailable", status: 503, message: expect.stringContaining(key) };
      await expect(store.read(key, 6)).rejects.toMatchObject(lost);
      await expect(store.read(key, 4)).rejects.toMatchObject(lost);
      await expect(store.read(key, 6, { start: 5, end: 5 })).rejects.toMatchObject(lost);
      await store.delete(key);
      await store.delete(key);
      await expect(store.read(key, 5)).rejects.toMatchObject(lost);
      await expect(store.read(key, 5, { start: 1, end: 2 })).rejects.toMatchObject(lost);
    });

    test("what is there is listed whole, page by page, with the time when it was written", async () => {
      const before = Date.now();
      const open = await begin();
      await sendPart(store, open, { number: 1, size: 7 }, Buffer.from("waiting"));
      const keys = await Promise.all(Array.from({ length: 5 }, (_, i) => stored(Buffer.from(`blob ${i}`))));
      await store.delete(keys[4]!);
      await eventually(async () => {
        const blobs = await listAll("blobs");
        for (const key of keys.slice(0, 4)) {
          const found = blobs.filter(({ name }) => name === key);
          expect(found).toHaveLength(1);
          // Clocks of stores may be a little off, and tell seconds only.
          expect(Math.abs(found[0]!.writtenAt.getTime() - before)).toBeLessThan(30_000);
        }
        expect(blobs.map(({ name }) => name)).not.toContain(keys[4]);
        expect(blobs.map(({ name }) => name)).not.toContain(open.key);
        const uploads = (await listAll("uploads")).map(({ name }) => name);
        expect(uploads.filter((name) => name === open.key)).toHaveLength(1);
        for (const key of keys) expect(uploads).not.toContain(key);
      });
    });

    test("a name that is no storage key is a bug, and is never asked for", async () => {
      await expect(async () => store.read("../../etc/passwd", 1)).rejects.toThrow(TypeError);
      await expect(async () => store.delete("a/b")).rejects.toThrow(TypeError);
    });

    test("a store that works passes its check", async () => {
      await store.check();
    });
  });
}
