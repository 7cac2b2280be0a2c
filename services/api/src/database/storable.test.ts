import { expect, test } from "vitest";
import { isStorable, storableJson } from "./storable.ts";

test("text with NUL or half of a surrogate pair can't be stored", () => {
  expect(["a", "", "😀", "a\0b", "\ud83d", "\ude00\ud83d"].map(isStorable)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("what can't be stored is replaced wherever it stands, and nothing else is touched", () => {
  const value = { "a\0": ["\ud83d", "😀", "\\u0000", "\\\\ud800", "\\\0", 'q"'], n: 1 };
  expect(JSON.parse(storableJson(value))).toEqual({
    "a\ufffd": ["\ufffd", "😀", "\\u0000", "\\\\ud800", "\\\ufffd", 'q"'],
    n: 1,
  });
});
