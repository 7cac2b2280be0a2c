import type { TensorOf, TensorSpec } from "@modulehub/core";
import { expect, test } from "vitest";
import { cutWords, MAX_PADDED_WORDS, MAX_WORDS } from "./words.ts";

const strings = (...data: string[]): TensorOf<"string"> => ({ dtype: "string", shape: [data.length], data });
const spec = (maxWords?: number): TensorSpec => ({ dtype: "string", shape: ["batch"], maxWords });

test("words beyond the manifest's limit are cut and reported, the text before them stays as it was", () => {
  const cut = cutWords("text", spec(3), strings("one", " a  b\tc d e", "x y z", "", "p q r s "));
  expect(cut.tensor.data).toEqual(["one", " a  b\tc", "x y z", "", "p q r"]);
  expect(cut.truncated).toEqual([
    { input: "text", item: 1, kept: 3, of: 5 },
    { input: "text", item: 4, kept: 3, of: 4 },
  ]);
});

test("a text with very many words is refused where the manifest has no limit", () => {
  const words = (count: number) => "w ".repeat(count);
  expect(cutWords("text", spec(), strings(words(MAX_WORDS))).truncated).toEqual([]);
  expect(() => cutWords("text", spec(), strings("short", words(MAX_WORDS + 1)))).toThrow(
    expect.objectContaining({ code: "text-too-long", message: expect.stringContaining("text[1]") }),
  );
});

test("one long text beside many short ones is refused, because the graph pads them all to it", () => {
  const long = "w ".repeat(MAX_WORDS);
  const short = new Array<string>(MAX_PADDED_WORDS / MAX_WORDS).fill("short");
  expect(() => cutWords("text", spec(), strings(long, ...short))).toThrow(
    expect.objectContaining({ code: "text-too-long" }),
  );
});
