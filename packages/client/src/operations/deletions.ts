import { parseModuleName } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import { exactVersion } from "./exact-version.ts";

export interface DeleteOptions {
  /** Told to whoever asks for what was deleted. */
  reason?: string;
}

/**
 * Deletes the version that a handle names by its number, for good. Throws `version-in-use` while aliases stand for
 * it, unless `force` takes them away too; `gone` where it was deleted before; and as `Transport.call` does.
 */
export async function deleteVersion(
  transport: Transport,
  handle: string,
  { reason, force = false }: DeleteOptions & { force?: boolean } = {},
): Promise<void> {
  const { module, version } = exactVersion(handle);
  const query = { reason, force: force ? "true" : undefined };
  await transport.call("DELETE", `v1/modules/${module}/versions/${version}`, z.unknown(), { query });
}

/** Deletes a module with all its versions and drafts, for good. Throws `gone`, and as `Transport.call` does. */
export async function deleteModule(
  transport: Transport,
  module: string,
  { reason }: DeleteOptions = {},
): Promise<void> {
  const path = `v1/modules/${parseModuleName(module)}`;
  await transport.call("DELETE", path, z.unknown(), { query: { reason } });
}
