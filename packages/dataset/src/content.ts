import { MAX_IMAGE_BYTES, MAX_TEXT_BYTES } from "@modulehub/core";
import type { ExampleContent } from "./example.ts";
import { type Fault, fault } from "./row.ts";

type Read = { kind: "content"; content: ExampleContent } | { kind: "empty"; id: string } | Fault;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text that bytes hold; undefined where they are not UTF-8. A byte order mark at the beginning is taken off. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** An example's text from bytes; undefined bytes were more than are taken. */
export function textOfBytes(id: string, bytes: Uint8Array | undefined): Read {
  if (bytes === undefined || bytes.byteLength > MAX_TEXT_BYTES) return tooLong(id);
  const text = utf8(bytes);
  return text === undefined ? fault(id, "data-encoding", "is not UTF-8") : textOf(id, text);
}

/** An example's text. */
export function textOf(id: string, text: string): Read {
  if (text.length > MAX_TEXT_BYTES || Buffer.byteLength(text) > MAX_TEXT_BYTES) return tooLong(id);
  if (text.includes("\0")) return fault(id, "data-encoding", "holds a NUL character");
  if (!text.isWellFormed()) return fault(id, "data-encoding", "holds half of a surrogate pair");
  if (text.trim() === "") return { kind: "empty", id };
  return { kind: "content", content: { kind: "text", text } };
}

/** An example's image from the bytes of its file; undefined bytes were more than are taken. */
export function imageOf(id: string, bytes: Uint8Array | undefined): Read {
  if (bytes === undefined || bytes.byteLength > MAX_IMAGE_BYTES)
    return fault(id, "data-image-invalid", `has more than ${MAX_IMAGE_BYTES} bytes`);
  if (bytes.byteLength === 0) return { kind: "empty", id };
  if (!isImage(bytes)) return fault(id, "data-image-invalid", "is not a JPEG, PNG or WebP image");
  return { kind: "content", content: { kind: "image", bytes } };
}

const tooLong = (id: string): Fault =>
  fault(id, "data-text-too-long", `is longer than ${MAX_TEXT_BYTES} bytes`);

/** Whether bytes begin as a JPEG (FF D8 FF), a PNG (its signature) or a WebP (RIFF….WEBP) does. */
function isImage(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  return (
    head.startsWith("\xff\xd8\xff") ||
    head.startsWith("\x89PNG\r\n\x1a\n") ||
    (head.startsWith("RIFF") && head.startsWith("WEBP", 8))
  );
}
