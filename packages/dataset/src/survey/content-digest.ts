import { hash } from "node:crypto";
import type { ExampleContent } from "../example.ts";

/** SHA-256 of a text's UTF-8, or of an image's file, in hex. */
export const contentDigest = (content: ExampleContent): string =>
  hash("sha256", content.kind === "text" ? content.text : content.bytes, "hex");

/**
 * The first 52 bits of a digest, which a number holds exactly. Two contents of a million share them by chance with a
 * probability of 1 in 9,000.
 */
export const digestNumber = (hex: string): number => Number.parseInt(hex.slice(0, 13), 16);
