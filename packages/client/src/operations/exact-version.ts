import { type ModuleName, parseHandle, problem } from "@modulehub/core";

/**
 * The module and number of a handle that names its version exactly, as what changes a version wants it: what an alias
 * or the latest stands for may be another one by then. Throws `invalid-handle`.
 */
export function exactVersion(handle: string): { module: ModuleName; version: number } {
  const { module, reference } = parseHandle(handle);
  if (reference.kind !== "version")
    throw problem("invalid-handle", `Name the version by its number: ${module}/3.`);
  return { module, version: reference.version };
}
