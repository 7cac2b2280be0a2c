import { parseHandle } from "@modulehub/core";

/** The path of the version that a handle means. Throws `invalid-handle`. */
export function versionPath(handle: string): string {
  const { module, reference } = parseHandle(handle);
  const versions = `v1/modules/${module}/versions`;
  switch (reference.kind) {
    case "latest":
      return `${versions}/latest`;
    case "version":
      return `${versions}/${reference.version}`;
    case "alias":
      return `${versions}/${reference.alias}`;
    case "digest":
      return `${versions}/${reference.digest}`;
  }
}

/** The path of an operation on that version; the latest needs no word. */
export function operationPath(handle: string, operation: "infer" | "embed" | "classify"): string {
  const { module, reference } = parseHandle(handle);
  return reference.kind === "latest"
    ? `v1/modules/${module}/${operation}`
    : `${versionPath(handle)}/${operation}`;
}
