import { type Handle, parseHandle } from "@modulehub/core";

/** The path of an operation on the version that a handle means. Throws `invalid-handle`. */
export function modulePath(handle: string, operation: string): string {
  const { module, reference } = parseHandle(handle);
  const version = versionSegment(reference);
  return `v1/modules/${module}/${version === undefined ? "" : `versions/${version}/`}${operation}`;
}

function versionSegment(reference: Handle["reference"]): string | undefined {
  switch (reference.kind) {
    case "latest":
      return undefined;
    case "version":
      return String(reference.version);
    case "alias":
      return reference.alias;
    case "digest":
      return reference.digest;
  }
}
