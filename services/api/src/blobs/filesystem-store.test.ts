import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blobStoreContract } from "./blob-store-contract.ts";
import { openFilesystemStore } from "./filesystem-store.ts";

async function open() {
  const root = await mkdtemp(join(tmpdir(), "modulehub-blobs-"));
  const store = await openFilesystemStore(root);
  return { root, store, close: () => rm(root, { recursive: true, force: true }) };
}

blobStoreContract("filesystem", open);

test("a store whose folder is gone is unavailable, not empty", async () => {
  const { root, store, close } = await open();
  await rename(join(root, "blobs"), join(root, "moved"));
  await expect(store.check()).rejects.toMatchObject({ code: "store-unavailable" });
  await chmod(root, 0o700);
  await close();
});

test("a storage key that could leave the folder is a bug, not a path", async () => {
  const { store, close } = await open();
  await expect(store.read("../../etc/passwd", 1)).rejects.toThrow(TypeError);
  await close();
});

test("what others left in the store's folders is not listed", async () => {
  const { root, store, close } = await open();
  await writeFile(join(root, "blobs", ".DS_Store"), "a file manager's");
  await mkdir(join(root, "uploads", "lost+found"));
  expect(await store.list("blobs")).toEqual({ items: [] });
  expect(await store.list("uploads")).toEqual({ items: [] });
  await close();
});
