/** What is written to: a terminal of so many columns, or anything else. */
export interface TableStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** A column of a list. */
export interface Column<T> {
  title: string;
  text: (item: T) => string;
  /** Cut where the terminal is too narrow; the last such column first. */
  shrinks?: boolean;
}

const GAP = "  ";
/** So much of a column stays, however narrow the terminal is. */
const LEAST = 8;

/**
 * Prints a line an item. On a terminal aligned under titles and cut to its width; elsewhere whole, fields parted by
 * tabs, without titles: for `cut`, `awk` and `while read`.
 */
export function printTable<T>(out: TableStream, columns: readonly Column<T>[], items: readonly T[]): void {
  const rows = items.map((item) => columns.map(({ text }) => oneLine(text(item))));
  if (!out.isTTY) {
    for (const row of rows) out.write(`${row.join("\t")}\n`);
    return;
  }
  if (rows.length === 0) return;
  const all = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => columnsOf(row[column] ?? ""))));
  let excess = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - (out.columns ?? 80);
  for (const [column, { shrinks }] of [...columns.entries()].reverse()) {
    const width = widths[column] ?? 0;
    if (!shrinks || excess <= 0 || width <= LEAST) continue;
    widths[column] = Math.max(LEAST, width - excess);
    excess -= width - (widths[column] ?? 0);
  }
  for (const row of all) {
    const fields = row.map((text, column) => fitted(text, widths[column] ?? 0));
    out.write(`${fields.join(GAP).trimEnd()}\n`);
  }
}

/** What others wrote, without line breaks and whatever else would move a terminal's cursor. */
export const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, " ").trim();

/** What others wrote, as one line of at most so many columns. */
export const cutLine = (text: string, width: number): string => fitted(oneLine(text), width).trimEnd();

function fitted(text: string, width: number): string {
  const length = columnsOf(text);
  if (length <= width) return text + " ".repeat(width - length);
  let cut = "";
  let used = 0;
  for (const letter of text) {
    if (used + columnsOf(letter) > width - 1) break;
    cut += letter;
    used += columnsOf(letter);
  }
  return `${cut}…${" ".repeat(width - 1 - used)}`;
}

const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}]/u;

/** How many columns of a terminal a text takes: East Asian letters and pictures two, marks on letters none. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const letter of text) columns += /\p{Mn}/u.test(letter) ? 0 : WIDE.test(letter) ? 2 : 1;
  return columns;
}
