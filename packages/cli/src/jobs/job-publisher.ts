import type { Hub } from "@modulehub/client";
import { parseHandle, publisherOf } from "@modulehub/core";
import { UsageError } from "../exit-code.ts";

/**
 * Whose a job is: the option's publisher, that of the module that is published, the only one that the token may write
 * in, or that of the module it is about if it is one of these. Throws UsageError where none of that says so.
 */
export async function jobPublisher(
  hub: Hub,
  options: { publisher?: string; publish?: string; about: string },
): Promise<string> {
  if (options.publisher !== undefined) return options.publisher;
  if (options.publish !== undefined) return publisherOf(parseHandle(options.publish).module);
  const { admin, roles } = await hub.whoAmI();
  const writable = Object.entries(roles).flatMap(([publisher, role]) =>
    role === "reader" ? [] : [publisher],
  );
  const [only] = writable;
  if (only !== undefined && writable.length === 1) return only;
  const own = publisherOf(parseHandle(options.about).module);
  if (admin || writable.includes(own)) return own;
  throw new UsageError(
    writable.length === 0
      ? "Say with --publisher whose job this is; this token may write in no publisher."
      : `Say with --publisher whose job this is: ${writable.join(", ")}.`,
  );
}
