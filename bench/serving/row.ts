/** A row of the table: a goal of the issue, and what was measured. */
export interface Row {
  goal: string;
  /** The promise in words, such as `≥ 0.92`. Absent for rows that are only told. */
  promise?: string;
  /** What was measured, in words; undefined where it could not be, and then `note` says why. */
  measured: string | undefined;
  met?: boolean;
  /** Names and numbers of the figures, for `--json`. */
  figures: Record<string, number>;
  note?: string;
}

/** A row of one figure that may not be under (`atLeast`) or over (`atMost`) something. */
export function judged(
  goal: string,
  name: string,
  value: number,
  limit: { atLeast: number } | { atMost: number },
  { unit = "", note }: { unit?: string; note?: string } = {},
): Row {
  const [sign, bound, met] =
    "atLeast" in limit
      ? (["≥", limit.atLeast, value >= limit.atLeast] as const)
      : (["≤", limit.atMost, value <= limit.atMost] as const);
  return {
    goal,
    promise: `${sign} ${bound}${unit}`,
    measured: `${shown(value)}${unit}`,
    met,
    figures: { [name]: value },
    ...(note !== undefined && { note }),
  };
}

/** A row for comparison, without a promise. */
export const told = (goal: string, name: string, value: number, unit = "", note?: string): Row => ({
  goal,
  measured: `${shown(value)}${unit}`,
  figures: { [name]: value },
  ...(note !== undefined && { note }),
});

/** A row that could not be measured here. */
export const unmeasured = (goal: string, reason: string): Row => ({
  goal,
  measured: undefined,
  figures: {},
  note: reason,
});

export const shown = (value: number): string =>
  Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
