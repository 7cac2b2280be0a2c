import { dateText } from "./listing/date-text.ts";
import { oneLine } from "./listing/table.ts";

/** When and why a version was withdrawn, on a line: the reason is others' text. */
export const yankText = ({ reason, at }: { reason: string; at: string }): string =>
  `${dateText(at)}: ${oneLine(reason)}`;

/** What those are told who use a version that was withdrawn. */
export const yankWarning = (handle: string, yanked: { reason: string; at: string }): string =>
  `Warning: ${handle} was yanked ${yankText(yanked)}`;
