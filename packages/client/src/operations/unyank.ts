import { z } from "zod";
import type { Transport } from "../transport.ts";
import { exactVersion } from "./exact-version.ts";

/** Takes a withdrawal back; a version that was not withdrawn stays as it is. Throws as `yank` does. */
export async function unyank(transport: Transport, handle: string): Promise<void> {
  const { module, version } = exactVersion(handle);
  const path = `v1/modules/${module}/versions/${version}/yank`;
  await transport.call("DELETE", path, z.unknown(), { retry: "safe" });
}
