import { problem, type Tensor, type TensorOf, type TokenizeStep } from "@modulehub/core";
import type { Truncation } from "../module.ts";
import type { SpecialToken, Tokenizer } from "./tokenizer.ts";

/** The longest text that is tokenized, in UTF-16 units: WordPiece takes 290 ms for a million of them. */
export const MAX_TEXT_LENGTH = 1_000_000;
/** The most tokens of a text where neither manifest nor tokenizer has a limit: attention takes their square. */
export const MAX_TOKENS = 16_384;

export interface Tokens {
  ids: TensorOf<"int64">;
  mask: TensorOf<"int64">;
  types: TensorOf<"int64">;
  truncated: Truncation[];
}

/**
 * The tokenize step: strings [batch] → ids, mask and types, int64 [batch, sequence], padded at the end to the
 * longest of the request. Texts of more than `maxLength` tokens are cut before the special tokens at the end,
 * and reported, or refused (`text-too-long`), as the step says. Throws `manifest-mismatch` for other inputs.
 */
export function tokenize(
  step: TokenizeStep,
  tokenizer: Tokenizer,
  input: Tensor,
  maxLength?: number,
): Tokens {
  if (input.dtype !== "string" || input.shape.length !== 1)
    throw problem(
      "manifest-mismatch",
      `tokenize reads ${step.from}, which must be strings of shape [batch].`,
    );
  const special = step.addSpecialTokens ?? true;
  const before = special ? tokenizer.before : [];
  const after = special ? tokenizer.after : [];
  const room = (maxLength ?? MAX_TOKENS) - before.length - after.length;
  if (room < 0)
    throw problem(
      "manifest-mismatch",
      `A maxLength of ${maxLength} is less than the ${before.length + after.length} special tokens.`,
    );
  const truncated: Truncation[] = [];
  const contents = input.data.map((text, item) => {
    if (text.length > MAX_TEXT_LENGTH) throw tooLong(step, item, `${MAX_TEXT_LENGTH} characters`);
    const ids = tokenizer.encode(text);
    if (ids.length <= room) return ids;
    if (step.tooLong === "refuse" || maxLength === undefined)
      throw tooLong(step, item, `${maxLength ?? MAX_TOKENS} tokens`);
    truncated.push({ input: step.from, item, kept: room, of: ids.length });
    return ids.slice(0, room);
  });
  const longest = contents.reduce((most, { length }) => Math.max(most, length), 0);
  const sequence = contents.length === 0 ? 0 : before.length + longest + after.length;
  const shape = () => [contents.length, sequence];
  const ids = new BigInt64Array(contents.length * sequence).fill(BigInt(tokenizer.padId));
  const types = new BigInt64Array(ids.length).fill(BigInt(tokenizer.padTypeId));
  const mask = new BigInt64Array(ids.length);
  for (const [row, content] of contents.entries()) {
    let at = row * sequence;
    const end = at + before.length + content.length + after.length;
    mask.fill(1n, at, end);
    types.fill(BigInt(tokenizer.typeId), at, end);
    const put = ({ id, typeId }: SpecialToken) => {
      ids[at] = BigInt(id);
      types[at++] = BigInt(typeId);
    };
    before.forEach(put);
    for (const id of content) ids[at++] = BigInt(id);
    after.forEach(put);
  }
  return {
    ids: { dtype: "int64", shape: shape(), data: ids },
    mask: { dtype: "int64", shape: shape(), data: mask },
    types: { dtype: "int64", shape: shape(), data: types },
    truncated,
  };
}

const tooLong = (step: TokenizeStep, item: number, limit: string) =>
  problem("text-too-long", `${step.from}[${item}] is longer than ${limit}; shorten it or split it.`);
