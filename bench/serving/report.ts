import { loadavg } from "node:os";
import type { Row } from "./row.ts";

/** Prints a scenario's rows as they come, with the machine's load, which says how far they can be trusted. */
export function printRows(scenario: string, rows: readonly Row[], seconds: number): void {
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
  console.log(`\n${scenario} (${seconds.toFixed(0)} s; load average ${load})`);
  for (const row of rows) console.log(line(row));
}

function line({ goal, promise, measured, met, note }: Row): string {
  const mark = met === undefined ? " " : met ? "✓" : "✗";
  const value = measured ?? "not measured";
  return `${mark} ${goal.padEnd(62)} ${(promise ?? "").padStart(10)}  ${value.padStart(12)}${note ? `  ${note}` : ""}`;
}
