import { problem, type TensorOf, type TensorSpec } from "@modulehub/core";
import type { Truncation } from "../module.ts";

/** The most words of a text where the manifest sets no limit. */
export const MAX_WORDS = 50_000;
/**
 * The most words of a request once its texts are padded to the longest, as StringSplit does inside graphs:
 * 6.4 million took 1.36 GB.
 */
export const MAX_PADDED_WORDS = 1_000_000;

/**
 * Cuts the texts of a string input to the `maxWords` of its specification and reports what was cut. Words are
 * what white space separates. Throws `text-too-long` where the manifest has no limit and a text is longer than
 * ours, or where texts of very unlike length would take too much memory together.
 */
export function cutWords(
  input: string,
  spec: TensorSpec,
  tensor: TensorOf<"string">,
): { tensor: TensorOf<"string">; truncated: Truncation[] } {
  const limit = spec.maxWords ?? MAX_WORDS;
  const truncated: Truncation[] = [];
  let longest = 0;
  const data = tensor.data.map((text, item) => {
    // A text has at most one word every two characters.
    if (text.length < 2 * limit && text.length <= 2 * longest) return text;
    const { count, end } = countWords(text, limit);
    longest = Math.max(longest, Math.min(count, limit));
    if (count <= limit) return text;
    if (spec.maxWords === undefined)
      throw problem(
        "text-too-long",
        `${input}[${item}] has ${count} words, more than ${limit}; shorten it or split it.`,
      );
    truncated.push({ input, item, kept: limit, of: count });
    return text.slice(0, end);
  });
  if (longest * data.length > MAX_PADDED_WORDS)
    throw problem(
      "text-too-long",
      `${data.length} texts of up to ${longest} words are too many at once; send the long ones on their own.`,
    );
  return { tensor: { dtype: "string", shape: tensor.shape, data }, truncated };
}

/** How many words a text has, and where the `limit`-th ends. */
function countWords(text: string, limit: number): { count: number; end: number } {
  let count = 0;
  let end = text.length;
  const words = /\S+/g;
  while (words.exec(text)) {
    count += 1;
    if (count === limit) end = words.lastIndex;
  }
  return { count, end };
}
