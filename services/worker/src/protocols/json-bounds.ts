import { problem } from "@modulehub/core";

/** Arrays and objects that a body may hold: rows of tensors on the one hand, images in base64 on the other. */
const MOST_ARRAYS = 2_000_000;
const MOST_OBJECTS = 100_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const OBJECT = 0x7b;

/**
 * Counts what JSON would become before it is parsed: an empty object takes 3 bytes of a body and 60 of memory, and
 * a parser that runs out of memory takes the whole process with it, whichever thread it is in. Throws
 * `body-too-large`.
 */
export function checkJsonBounds(bytes: Uint8Array): void {
  let arrays = 0;
  let objects = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === ARRAY) arrays += 1;
    else if (byte === OBJECT) objects += 1;
  }
  if (arrays > MOST_ARRAYS || objects > MOST_OBJECTS)
    throw problem(
      "body-too-large",
      `The body may hold ${MOST_ARRAYS} lists and ${MOST_OBJECTS} objects; send {"shape", "data"} with flat data, or the binary form.`,
    );
}
