import type { DataReading, DataReport, Split } from "@modulehub/core";

/** What an example is about. */
export type ExampleContent = { kind: "text"; text: string } | { kind: "image"; bytes: Uint8Array };

/** What a model shall say of it; classes and labels by their index in `DataPlan.classes`. */
export type ExampleTarget =
  | { kind: "class"; class: number }
  /** Ascending; none may hold. */
  | { kind: "labels"; labels: number[] }
  | { kind: "number"; value: number };

/** An example of a data set, in the split that it belongs to. */
export interface Example {
  /** The path in the archive, the value of the id column, or `row 17`, counted from 1 without the line of names. */
  id: string;
  split: Split;
  content: ExampleContent;
  target: ExampleTarget;
}

/** Bytes on this machine: the file of a data set. It is read from its beginning, as often as need be. */
export interface DataSource {
  file: string;
}

/**
 * What a second pass needs to know of the first: everything that depends on all examples. Made by `surveyDataset`,
 * used by `readDataset` with the same source.
 */
export interface DataPlan {
  reading: DataReading;
  kind: ExampleContent["kind"];
  /** In the order of a head's outputs: by number where all are numbers, else by code points. Empty for numbers. */
  classes: readonly string[];
  /** How many examples `readDataset` gives of each split. */
  counts: Readonly<Record<Split, number>>;
  /** Splits that are drawn: by stratum (a class, or "" for all), the greatest draw that belongs to the split. */
  drawn: {
    readonly test: ReadonlyMap<string, number>;
    readonly validation: ReadonlyMap<string, number>;
  };
  /** In an archive: where the folders of the classes lie. */
  folders?: ClassFolders;
}

/** The form of an archive: `<prefix>[/<split>]/<class>/<file>`. */
export interface ClassFolders {
  /** "" or a path without a slash at its end. */
  prefix: string;
  /** Folders that stand for splits; absent where there are none. */
  splits?: ReadonlyMap<string, Split>;
  /** Whether it has the form of aclImdb: `pos`, `neg` and perhaps `unsup`, with `<id>_<rating>.txt`. */
  ratings: boolean;
  /** Classes that have a folder somewhere without a text or image in it. */
  empty: readonly string[];
}

/** The first pass: the report for people, and the plan for the second pass. */
export interface DataSurvey {
  report: DataReport;
  /** Whole only where `report.problems` is empty. */
  plan: DataPlan;
}

/** What may be read at most; see the constants of core for examples, classes, texts and images. */
export interface DataLimits {
  /** Bytes of the file itself. */
  fileBytes: number;
  /** Bytes that come out of it unpacked, all together. */
  unpackedBytes: number;
  /** Unpacked bytes for each packed one, once more than 64 MiB have come out. */
  unpackedRatio: number;
  /** Files and folders of an archive. */
  entries: number;
}
