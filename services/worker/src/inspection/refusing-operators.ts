/**
 * Operators with which nothing is batched, whatever runs show: they draw random numbers, compute one scale for the
 * whole batch, choose among rows of all items, or branch on what is in them.
 */
const REFUSED: readonly [pattern: RegExp, why: string][] = [
  [/^DynamicQuantize/, "quantizes by the range of the whole batch"],
  [/^(Random|Multinomial$|Bernoulli$)/, "draws random numbers"],
  [/^NonMaxSuppression$/, "chooses among all rows"],
  [/^(If|Loop|Scan)$/, "branches on what it is given"],
  [/^(Unique|Sequence|ConcatFromSequence|SplitToSequence)/, "mixes rows"],
];

/** Why a graph with these operators is not batched; undefined where none speaks against it. */
export function operatorRefusal(operators: readonly string[]): string | undefined {
  for (const operator of operators) {
    const name = operator.split("::").at(-1) ?? operator;
    const found = REFUSED.find(([pattern]) => pattern.test(name));
    if (found) return `The graph has ${operator}, which ${found[1]}.`;
  }
  return undefined;
}
