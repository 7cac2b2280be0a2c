import { readFile } from "node:fs/promises";
import type { Hub, ShownVersion } from "@modulehub/client";
import { formatHandle, parseHandle } from "@modulehub/core";
import { UsageError } from "./exit-code.ts";

/** Texts or images that a request carries. */
export type Items = { kind: "texts"; items: string[] } | { kind: "images"; items: Uint8Array[] };

/** So many go with one request; images are large. */
const AT_ONCE = { texts: 128, images: 8 } as const;

/**
 * What the arguments of `embed` and `classify` mean to a module: for images the names of files, else texts, with
 * `@file` for a file of them, one a line. The handle that comes back names the exact version, so that all
 * requests reach the same.
 */
export async function itemsOf(
  hub: Hub,
  handle: string,
  texts: readonly string[],
): Promise<{ exact: string; items: Items }> {
  const version = await hub.showVersion(handle);
  const { module } = parseHandle(handle);
  const exact = formatHandle({ module, reference: { kind: "version", version: version.version } });
  if (takesImages(version))
    return { exact, items: { kind: "images", items: await Promise.all(texts.map(readImage)) } };
  const lists = await Promise.all(texts.map(textsOf));
  const items = lists.flat();
  if (items.length === 0) throw new UsageError("There are no texts in that file.");
  return { exact, items: { kind: "texts", items } };
}

/** The items in as many requests as they need, in order. */
export function* requests({ kind, items }: Items): Generator<string[] | Uint8Array[]> {
  for (let at = 0; at < items.length; at += AT_ONCE[kind]) yield items.slice(at, at + AT_ONCE[kind]);
}

const takesImages = ({ manifest }: ShownVersion): boolean =>
  manifest.task.startsWith("image-") ||
  Object.values(manifest.signatures.default?.inputs ?? {}).some(({ dtype }) => dtype === "image");

async function textsOf(argument: string): Promise<string[]> {
  if (!argument.startsWith("@")) return [argument];
  const text = await readFile(argument.slice(1), "utf8").catch((cause: unknown) => {
    throw new UsageError(`${argument.slice(1)} can't be read.`, { cause });
  });
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function readImage(file: string): Promise<Uint8Array> {
  return readFile(file).catch((cause: unknown) => {
    throw new UsageError(`${file} can't be read; this module takes the names of image files.`, { cause });
  });
}
