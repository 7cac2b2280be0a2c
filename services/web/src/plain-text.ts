/** A description has at most this many characters. */
const MAX_DESCRIPTION = 240;
/** Where a README's first paragraph is looked for, in characters. */
const LOOKED_AT = 20_000;
/** A longer line is cut: what follows on it takes no time. */
const MAX_LINE = 2_000;

/**
 * The first paragraph of a README's body that says something, as one line of plain text: headings, pictures, lists,
 * tables, code and HTML are passed over. Undefined where there is none.
 */
export function firstParagraph(markdown: string): string | undefined {
  let fenced = false;
  const lines: string[] = [];
  for (const raw of markdown.slice(0, LOOKED_AT).split("\n")) {
    const line = raw.slice(0, MAX_LINE).trim();
    if (/^(```|~~~)/.test(line)) fenced = !fenced;
    const said =
      fenced || /^(#|>|[-*+] |\d+[.)] |\||<|```|~~~|={3}|-{3}|\*{3}|!\[)/.test(line) ? "" : plainText(line);
    if (said !== "") lines.push(said);
    else if (lines.length > 0) break;
  }
  const text = lines.join(" ");
  if (text === "") return undefined;
  return text.length > MAX_DESCRIPTION ? `${text.slice(0, MAX_DESCRIPTION).toWellFormed()}…` : text;
}

/** Markdown without its marks: what is written, not where links lead. Linear in the text's length. */
export function plainText(markdown: string): string {
  return markdown
    .replace(/!\[[^\][]{0,500}\](?:\([^()\s]{0,2000}\))?/g, " ")
    .replace(/\[([^\][]{0,500})\]\([^()\s]{0,2000}\)/g, "$1")
    .replace(/<[^<>]{0,500}>/g, " ")
    .replace(/https?:\/\/\S+/g, " ")
    .replace(/[*`~]{1,3}|(?<![\p{L}\p{N}])_{1,3}(?=\S)|(?<=\S)_{1,3}(?![\p{L}\p{N}])/gu, "")
    .replace(/\s+/g, " ")
    .trim();
}
