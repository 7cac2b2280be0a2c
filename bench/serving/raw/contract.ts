import type { Tensor } from "@modulehub/core";

/** Feeds of one item, by the graph's input names. */
export type RawItem = Map<string, Tensor>;

/** What a raw child is told. Items are read once, when it starts, from a file that `v8.serialize` made. */
export type ToRawChild =
  /** Runs these items together, padded with zeros to the longest; the rows stay in the child. */
  | { kind: "batch"; items: number[] }
  /** Runs these items one by one, and tells what each took. */
  | { kind: "singles"; items: number[] }
  /** Gives the rows of all items that have run since the last time. */
  | { kind: "rows" };

export type FromRawChild =
  | { kind: "ready"; createMs: number; runMs: number }
  | { kind: "ran" }
  | { kind: "took"; ms: number[] }
  | { kind: "rows"; rows: Map<number, Float32Array> };
