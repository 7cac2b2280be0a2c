import { z } from "zod";

/**
 * How the bytes of a data set are read: the part of a job's settings that, with the data's digest, says exactly which
 * examples there are, what their labels are and which split each belongs to. The same bytes read in the same way give
 * the same examples in the same order, on any machine. Read by `packages/dataset`; told in docs/training.md.
 */

/** The parts of a data set: settings are chosen on `validation`, and `test` is touched once. */
export const SPLITS = ["train", "validation", "test"] as const;
export const splitSchema = z.enum(SPLITS);
export type Split = z.infer<typeof splitSchema>;

/** The most bytes of a text, in UTF-8. */
export const MAX_TEXT_BYTES = 1_048_576;
/** The most bytes of an image's file. */
export const MAX_IMAGE_BYTES = 33_554_432;
/** The most examples of a data set; about 60 bytes are remembered of each. */
export const MAX_EXAMPLES = 1_000_000;
/** The most classes, or labels that hold independently. */
export const MAX_CLASSES = 1_000;

const columnName = z.string().min(1).max(256);

/** Which columns of a table, or names of its JSON objects, hold what. */
export const dataColumnsSchema = z
  .strictObject({
    /** Text to train on. Default `text` where neither is given. */
    text: columnName.optional(),
    /** An image to train on: the bytes of its file in Base64, alone or as a `data:` URL. */
    image: columnName.optional(),
    /** Default `label`. */
    label: columnName.default("label"),
    /** `train`, `validation` or `test`. Default `split`, if there is such a column. */
    split: columnName.optional(),
    /** What an example is called in reports. Default: the number of its row. */
    id: columnName.optional(),
  })
  .refine(({ text, image }) => text === undefined || image === undefined, {
    message: "must name a column of texts or one of images, not both",
    path: ["image"],
  });
export type DataColumns = z.infer<typeof dataColumnsSchema>;

const fraction = z.number().min(0).max(0.9);

export const dataReadingSchema = z.strictObject({
  /**
   * `archive`: tar or zip with a folder per class. `csv`: RFC 4180 with a line of names. `tsv`: the same with tabs,
   * and without quotes. `jsonl`: an object a line. Whether it is compressed by gzip is seen from its bytes.
   */
  format: z.enum(["archive", "csv", "tsv", "jsonl"]),
  /**
   * What a label is: one of the classes (softmax), any number of labels (independent sigmoids), or a number
   * (regression).
   */
  target: z.enum(["class", "labels", "number"]).default("class"),
  /** Of tables. */
  columns: dataColumnsSchema.prefault({}),
  /** Whether fields of a table may be quoted. Default: in CSV, not in TSV. */
  quotes: z.boolean().optional(),
  /** What lies between labels of a text, where `target` is `labels`; lists in JSON need none. */
  labelSeparator: z.string().min(1).max(8).default(","),
  /** Of aclImdb's form (`pos` and `neg` with `<id>_<rating>.txt`): the folder, or the rating from 1 to 10. */
  label: z.enum(["folder", "rating"]).default("folder"),
  /**
   * Fractions that are drawn where the data itself has no such split: `test` of everything, `validation` of what is
   * train then. Drawn by content, so that the order doesn't matter and equal examples stay together.
   */
  split: z
    .strictObject({
      test: fraction.default(0.2),
      validation: fraction.default(0),
      seed: z.int().min(0).max(0xffff_ffff).default(0),
    })
    .prefault({}),
  /** Rows that can't be used (broken UTF-8, no label, too long, …): refuse the data set, or leave them out. */
  faulty: z.enum(["refuse", "skip"]).default("refuse"),
});

/** How the bytes of a data set are read, with every default filled in. */
export type DataReading = z.infer<typeof dataReadingSchema>;
/** The same as it is written, with defaults left out. */
export type DataReadingInput = z.input<typeof dataReadingSchema>;
