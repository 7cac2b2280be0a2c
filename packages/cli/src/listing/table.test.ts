import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { printTable } from "./table.ts";

/** What is printed on a terminal of so many columns, or where there is none. */
function printed(columns: number | undefined, items: { name: string; note: string }[]): string {
  const out = Object.assign(new PassThrough(), { isTTY: columns !== undefined, columns: columns ?? 0 });
  printTable(
    out,
    [
      { title: "NAME", text: ({ name }) => name },
      { title: "NOTE", text: ({ note }) => note, shrinks: true },
      { title: "N", text: () => "1" },
    ],
    items,
  );
  return String(out.read() ?? "");
}

const ITEMS = [
  { name: "acme/words", note: "a long note about it" },
  { name: "a", note: "猫の写真と犬の写真" },
];

test("a terminal gets titles and columns below each other", () => {
  expect(printed(80, ITEMS)).toBe(
    [
      "NAME        NOTE                  N",
      "acme/words  a long note about it  1",
      // Nine letters of two columns each.
      "a           猫の写真と犬の写真    1",
      "",
    ].join("\n"),
  );
});

test("a narrow terminal gets lines that fit, cut in the column that may be", () => {
  const lines = printed(25, ITEMS).split("\n");
  expect(lines).toEqual([
    "NAME        NOTE        N",
    "acme/words  a long no…  1",
    "a           猫の写真…   1",
    "",
  ]);
});

test("without a terminal fields are whole and parted by tabs, control characters gone", () => {
  expect(printed(undefined, [{ name: "a\tb\nc", note: "\u001b[31mred" }])).toBe("a b c\t[31mred\t1\n");
});
