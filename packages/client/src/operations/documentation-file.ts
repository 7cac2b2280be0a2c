import { createHash } from "node:crypto";
import { problem } from "@modulehub/core";
import type { Transport } from "../transport.ts";
import type { Documentation } from "./documentation.ts";

/**
 * The bytes of a file of a version's documentation. Throws `digest-mismatch` where they are not those that were
 * promised, and as `Transport.call` does.
 */
export async function documentationFile(
  transport: Transport,
  file: Documentation["files"][number],
): Promise<Uint8Array> {
  const url = new URL(file.url, transport.url);
  const response = await transport.fetch(url, { method: "GET" });
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw transport.broken(url, error, undefined);
  }
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== file.digest)
    throw problem("digest-mismatch", `${file.path} arrived with other bytes than were promised. Try again.`);
  return bytes;
}
