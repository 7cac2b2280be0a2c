import { digestSchema, formatHandle, parseHandle } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";

const page = z.looseObject({
  handle: z.string(),
  module: z.string(),
  version: z.int(),
  digest: digestSchema,
  url: z.string(),
  files: z.array(z.looseObject({ path: z.string(), size: z.int(), digest: digestSchema, url: z.string() })),
  next: z.string().optional(),
});

/** An exact version: its handle with the number, its digest, and where each of its files lies. */
export type Resolved = z.infer<typeof page>;

/** All files of the version that a handle means, however many pages they come in. */
export async function resolve(transport: Transport, handle: string): Promise<Resolved> {
  const asked = formatHandle(parseHandle(handle));
  const get = (cursor?: string) =>
    transport.call("GET", "v1/resolve", page, { query: { handle: asked, cursor } });
  const { next: second, ...resolved } = await get();
  for (let next = second; next !== undefined; ) {
    const more = await get(next);
    resolved.files.push(...more.files);
    next = more.next;
  }
  return resolved;
}
