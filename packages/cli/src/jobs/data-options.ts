import type { ReadingOptions } from "@modulehub/client";
import { type Command, Option } from "commander";
import { share, wholeNumber } from "./numbers.ts";

/** The options that say how a data set is read. */
export interface DataOptions {
  format?: ReadingOptions["format"];
  target?: ReadingOptions["target"];
  label?: "polarity" | "rating";
  textColumn?: string;
  imageColumn?: string;
  labelColumn?: string;
  splitColumn?: string;
  idColumn?: string;
  labelSeparator?: string;
  quotes?: boolean;
  skipFaulty?: boolean;
  test?: number;
  validation?: number;
  splitSeed?: number;
}

/** The largest share of the data that may be kept from training. */
const MOST = 0.9;

/** Adds those options. */
export const withDataOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--format <format>", "default: seen from the file").choices([
        "archive",
        "csv",
        "tsv",
        "jsonl",
      ]),
    )
    .addOption(
      new Option(
        "--target <target>",
        "what a label is: one class, any number of labels, or a number",
      ).choices(["class", "labels", "number"]),
    )
    .addOption(
      new Option("--label <label>", "of reviews in aclImdb's form: pos and neg, or 1 to 10").choices([
        "polarity",
        "rating",
      ]),
    )
    .option("--text-column <name>", "where a table has its texts; default text")
    .addOption(
      new Option("--image-column <name>", "where a table has images, in Base64").conflicts("textColumn"),
    )
    .option("--label-column <name>", "where a table has its labels; default label")
    .option(
      "--split-column <name>",
      "where a table says train, validation or test; default split, if there is one",
    )
    .option("--id-column <name>", "what rows are called in reports; default their numbers")
    .option("--label-separator <text>", "between labels of one text, for --target labels; default a comma")
    .option("--quotes", "fields of a TSV may be quoted")
    .option("--no-quotes", "quotes of a CSV are nothing special")
    .option("--skip-faulty", "leave out rows that can't be used; else they are refused")
    .option(
      "--test <share>",
      "drawn for the test split, where the data has none; default 0.2",
      share("--test", MOST),
    )
    .option(
      "--validation <share>",
      "drawn for the validation split, where the data has none; default 0",
      share("--validation", MOST),
    )
    .option(
      "--split-seed <n>",
      "another number draws other splits; default 0",
      wholeNumber("--split-seed", 0),
    );

/** How the options want a data set to be read; what they leave out, the schema fills in. */
export function readingOptions(options: DataOptions): ReadingOptions {
  const { textColumn, imageColumn, labelColumn, splitColumn, idColumn, label } = options;
  return {
    format: options.format,
    target: options.target,
    ...(label !== undefined && { label: label === "rating" ? "rating" : "folder" }),
    columns: { text: textColumn, image: imageColumn, label: labelColumn, split: splitColumn, id: idColumn },
    labelSeparator: options.labelSeparator,
    quotes: options.quotes,
    split: { test: options.test, validation: options.validation, seed: options.splitSeed },
    ...(options.skipFaulty && { faulty: "skip" }),
  };
}
