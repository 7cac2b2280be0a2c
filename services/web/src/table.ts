import { type Content, html } from "./html.ts";

/** A table that scrolls by itself where it is wider than the page; the first cell of a row is its heading. */
export function table(parts: {
  caption: string;
  head: readonly string[];
  rows: readonly (readonly Content[])[];
  /** Columns with numbers, from 0. */
  numbers?: readonly number[];
  captionUnseen?: boolean;
}): Content {
  const { caption, head, rows, numbers = [], captionUnseen } = parts;
  const kind = (column: number) => (numbers.includes(column) ? "right" : "left");
  return html`<div class="scroll" role="group" aria-label="${caption}" tabindex="0"><table>
<caption${captionUnseen && html` class="unseen"`}>${caption}</caption>
<thead><tr>${head.map((name, column) => html`<th scope="col" class="${kind(column)}">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((cell, column) =>
        column === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${kind(column)}">${cell}</td>`,
      )}</tr>
`,
  )}</tbody></table></div>`;
}
