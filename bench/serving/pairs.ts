import { median } from "./statistics.ts";

/** Measurements that were made in turns, by name; each list has one a pair. */
export type Paired<Name extends string> = Record<Name, number[]>;

/**
 * Makes each measurement once a pair, in turns, every other pair backwards, so that what the machine does beside
 * meets all of them alike.
 */
export async function interleaved<Name extends string>(
  pairs: number,
  measurements: Record<Name, () => Promise<number>>,
): Promise<Paired<Name>> {
  const names = Object.keys(measurements) as Name[];
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Paired<Name>;
  for (let pair = 0; pair < pairs; pair++)
    for (const name of pair % 2 === 0 ? names : names.toReversed())
      found[name].push(await measurements[name]());
  return found;
}

/** Texts that one side is asked for before the next has its turn. */
const SLICE = 50;

/**
 * Median times of the same texts, once a pair. Within a pair too the sides take turns, slice by slice: what the machine
 * does beside often lasts longer than one of them takes for all texts.
 *
 * @param sides milliseconds of each text, one after the other
 */
export async function medianTimes<Name extends string>(
  pairs: number,
  order: readonly number[],
  sides: Record<Name, (texts: readonly number[]) => Promise<number[]>>,
): Promise<Paired<Name>> {
  const names = Object.keys(sides) as Name[];
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Paired<Name>;
  for (let pair = 0; pair < pairs; pair++) {
    const took = new Map(names.map((name) => [name, [] as number[]]));
    for (let at = 0, turn = pair; at < order.length; at += SLICE, turn++)
      for (const name of turn % 2 === 0 ? names : names.toReversed())
        took.get(name)?.push(...(await sides[name](order.slice(at, at + SLICE))));
    for (const [name, times] of took) found[name].push(median(times));
  }
  return found;
}

/** Median over pairs of one by the other. */
export const ratio = (a: readonly number[], b: readonly number[]): number =>
  median(a.map((value, pair) => value / b[pair]!));

/** Median over pairs of their difference. */
export const difference = (a: readonly number[], b: readonly number[]): number =>
  median(a.map((value, pair) => value - b[pair]!));
