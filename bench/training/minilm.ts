import { execFileSync } from "node:child_process";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { collectModule } from "@modulehub/client";
import { openLocalModule } from "@modulehub/runtime";
import { openSession } from "@modulehub/runtime/session";
import { type Row, told } from "../serving/row.ts";
import { frozenRows } from "./imdb.ts";
import { type Reviews, readReviews, reviewsAt } from "./reviews.ts";

const ROOT = join(import.meta.dirname, "../..");
const MODEL = join(ROOT, ".cache/models/all-minilm-l6-v2");
const MODULE = join(ROOT, ".cache/bench/minilm-module");
const WIDTH = 384;

/** A head on sentence vectors of a sample of the reviews, half of it from the test set. */
export async function minilm(archive: string, sample: number): Promise<Row[]> {
  const { train, test } = readReviews(archive);
  const [given, held] = [spread(train, sample / 2), spread(test, sample / 2)];
  const rows = await embed(given.texts);
  const testRows = await embed(held.texts);
  return [
    told("reviews embedded", "minilmReviews", given.texts.length + held.texts.length),
    ...(await frozenRows("minilm", { rows, reviews: given }, { rows: testRows, reviews: held }, WIDTH)),
  ];
}

/** So many reviews, at equal distances: pairs, so that there are as many for as against. */
export function spread(reviews: Reviews, count: number): Reviews {
  const pairs = Math.min(Math.floor(count / 2), reviews.texts.length / 2);
  const places = Array.from(
    { length: pairs },
    (_, at) => 2 * Math.floor((at * reviews.texts.length) / 2 / pairs),
  );
  return reviewsAt(
    reviews,
    places.flatMap((place) => [place, place + 1]),
  );
}

/** The module's folder, with its manifest; made on the first call. */
export async function minilmModule(): Promise<string> {
  if (!existsSync(join(MODEL, "onnx/model.onnx")))
    execFileSync(process.execPath, ["scripts/models/export-minilm.ts"], { cwd: ROOT, stdio: "inherit" });
  if (!existsSync(join(MODULE, "module.json"))) {
    cpSync(MODEL, MODULE, { recursive: true });
    writeFileSync(join(MODULE, "module.json"), JSON.stringify((await collectModule(MODEL)).manifest));
  }
  return MODULE;
}

async function embed(texts: readonly string[]): Promise<Float32Array> {
  const module = await openLocalModule(await minilmModule(), openSession, { threads: 2 });
  const vectors = new Float32Array(texts.length * WIDTH);
  for (const [at, text] of texts.entries()) {
    const { outputs } = await module.run(
      "default",
      new Map([["text", { dtype: "string", shape: [1], data: [text] }]]),
    );
    const [vector] = outputs.values();
    if (vector?.dtype !== "float32") throw new Error("there is no sentence vector");
    vectors.set(vector.data, at * WIDTH);
  }
  await module.close();
  return vectors;
}
