import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Labelled texts: 1 for, 0 against. */
export interface Reviews {
  texts: string[];
  labels: Int32Array;
}

/** The reviews of aclImdb.tar.gz, in the order of their numbers, for and against in turn. */
export function readReviews(archive: string): { train: Reviews; test: Reviews } {
  const digest = createHash("sha256").update(readFileSync(archive)).digest("hex");
  const folder = join(ROOT, ".cache/bench", `imdb-${digest.slice(0, 16)}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.unfinished`;
    mkdirSync(unfinished, { recursive: true });
    execFileSync("tar", ["-xzf", archive, "-C", unfinished], { stdio: "inherit" });
    renameSync(unfinished, folder);
  }
  const part = (name: "train" | "test"): Reviews => {
    const [against, favour] = ["neg", "pos"].map((kind) => filesIn(join(folder, "aclImdb", name, kind)));
    const texts = favour!.flatMap((text, at) => [text, against![at]!]);
    return { texts, labels: Int32Array.from(texts, (_, at) => 1 - (at % 2)) };
  };
  return { train: part("train"), test: part("test") };
}

function filesIn(folder: string): string[] {
  const number = (name: string) => Number.parseInt(name, 10);
  return readdirSync(folder)
    .sort((a, b) => number(a) - number(b))
    .map((name) => readFileSync(join(folder, name), "utf8"));
}

/** A part of some reviews. */
export const reviewsAt = ({ texts, labels }: Reviews, places: readonly number[]): Reviews => ({
  texts: places.map((place) => texts[place]!),
  labels: Int32Array.from(places, (place) => labels[place]!),
});
