import { type DataReading, SPLITS, type Split } from "@modulehub/core";
import type { DataPlan } from "../example.ts";
import { threshold } from "./draw.ts";
import type { ExampleColumns } from "./example-columns.ts";

/** Which split each example is in, and how that was said. */
export interface SplitsOfExamples {
  /** An index of SPLITS an example. */
  of: Uint8Array;
  given: Split[];
  drawn: DataPlan["drawn"];
}

/** Every example's split: the one that the data gives it, or the one that it draws. */
export function splitsOf(
  columns: ExampleColumns,
  reading: DataReading,
  names: readonly string[],
): SplitsOfExamples {
  const given = SPLITS.filter((split) => anyGiven(columns, split));
  const of = new Uint8Array(columns.count);
  for (let at = 0; at < of.length; at++) of[at] = SPLITS.indexOf(columns.given(at) ?? "train");
  const draw = (split: "test" | "validation"): ReadonlyMap<string, number> => {
    const fraction = reading.split[split];
    if (given.includes(split) || fraction === 0) return new Map();
    const strata = new Map<string, number[]>();
    for (let at = 0; at < of.length; at++) {
      if (SPLITS[of[at]!] !== "train") continue;
      const stratum = reading.target === "class" ? (names[columns.target(at)] ?? "") : "";
      const members = strata.get(stratum);
      if (members) members.push(at);
      else strata.set(stratum, [at]);
    }
    const thresholds = new Map<string, number>();
    for (const [stratum, members] of strata) {
      const most = threshold(
        Float64Array.from(members, (at) => columns.draw(split, at)),
        fraction,
      );
      thresholds.set(stratum, most);
      for (const at of members) if (columns.draw(split, at) <= most) of[at] = SPLITS.indexOf(split);
    }
    return thresholds;
  };
  const test = draw("test");
  return { of, given, drawn: { test, validation: draw("validation") } };
}

function anyGiven(columns: ExampleColumns, split: Split): boolean {
  for (let at = 0; at < columns.count; at++) if (columns.given(at) === split) return true;
  return false;
}
