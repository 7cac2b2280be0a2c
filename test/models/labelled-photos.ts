import { readFileSync } from "node:fs";
import { testData } from "./test-data.ts";

/** A line of photos/labels.tsv. */
export interface LabelledPhoto {
  file: string;
  /** Class indices that name it rightly; empty where nothing is claimed. */
  acceptable: number[];
  oddForm: string;
  format: string;
  /** Class and logit of the best, by the SOURCE.md's run; absent where it can't be decoded. */
  best: { index: number; logit: number } | undefined;
}

export function labelledPhotos(): LabelledPhoto[] {
  const [, ...lines] = readFileSync(testData("photos/labels.tsv"), "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [file = "", , indices = "", oddForm = "", format = "", , , , , top2 = ""] = line.split("\t");
    const best = /^(\d+) .*? (\d+\.\d+)( \||$)/.exec(top2);
    return {
      file,
      acceptable: indices.split("|").filter(Boolean).map(Number),
      oddForm,
      format,
      best: best ? { index: Number(best[1]), logit: Number(best[2]) } : undefined,
    };
  });
}
