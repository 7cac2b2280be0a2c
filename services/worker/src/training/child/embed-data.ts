import { open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { problem, type Tensor } from "@modulehub/core";
import type { Example } from "@modulehub/dataset";
import type { JobArgument } from "../job-messages.ts";
import { EmbeddedRows, type Placed } from "./embedded-rows.ts";
import { type Data, examplesOf } from "./read-data.ts";
import type { WorkerPipe } from "./worker-pipe.ts";

/** Examples that are put in order of their length together: enough for batches of like ones. */
const WINDOW = 4_096;
/** And bytes of them, so that memory does not grow with what the data set holds. */
const WINDOW_BYTES = 32 * 1024 * 1024;
/** Items that are asked for at once, and their bytes. */
const CHUNK = 64;
const CHUNK_BYTES = 4 * 1024 * 1024;
/**
 * Chunks that are asked for before the first is answered, so that each core has a batch and others are prepared
 * meanwhile. No more than eight, which are 32 MB at the most, however many cores there are.
 */
const AHEAD = Math.min(1 + availableParallelism(), 8);

/** Embeddings in a file. */
export interface Embedded {
  path: string;
  features: number;
  /** Seconds that it took; 0 where they were there already. */
  seconds: number;
}

/**
 * Embeds every example, or those at some places, into the module's file: a row each, little-endian float32, in their
 * order. Does nothing where the file is there already, and embeds what is missing where a job was broken off on the way.
 *
 * @param which places of examples in ascending order; default all
 */
export async function embedData(
  pipe: WorkerPipe,
  { embeddings }: JobArgument,
  module: number,
  data: Data,
  { which, of }: { which?: Uint32Array; of?: string } = {},
): Promise<Embedded> {
  const file = embeddings[module];
  if (file === undefined) throw new TypeError(`The job has no embeddings for module ${module}.`);
  const total = which?.length ?? data.examples;
  if (file.complete) return { path: file.path, features: await widthOf(file.path, total), seconds: 0 };
  const started = performance.now();
  await using rows = await EmbeddedRows.open(file, total);
  const before = rows.count;
  if (before > 0)
    await pipe.tell({
      kind: "log",
      level: "info",
      text: `${before} of ${total} examples are embedded already.`,
    });
  const about = of === undefined ? {} : { of };
  const progress = () => {
    const examplesPerSecond = ((rows.count - before) / (performance.now() - started)) * 1_000;
    return pipe.tell({
      kind: "progress",
      progress: { stage: "embedding", done: rows.count, total, examplesPerSecond, ...about },
    });
  };
  await progress();
  for await (const window of windowsOf(chosen(data, which))) {
    window.sort((a, b) => lengthOf(a) - lengthOf(b));
    // Whole chunks are left out, so that the others are as they would be had nothing broken off.
    const missing = [...chunksOf(window)].filter((chunk) => !chunk.every((example) => rows.has(example)));
    await inOrder(missing, async (chunk) => {
      const answer = await pipe.ask({ kind: "run", module, operation: "embed" }, itemsOf(chunk));
      await rows.write(answer.get("rows"), chunk);
      await progress();
    });
  }
  if (rows.count !== total) throw new Error(`${rows.count} of ${total} examples were embedded.`);
  await rows.save();
  await pipe.tell({ kind: "embeddings", module });
  const seconds = (performance.now() - started) / 1_000;
  return { path: file.path, features: rows.features, seconds };
}

async function widthOf(path: string, rows: number): Promise<number> {
  await using handle = await open(path, "r");
  const features = (await handle.stat()).size / 4 / rows;
  if (!Number.isInteger(features)) throw problem("internal", "The embeddings are of another data set.");
  return features;
}

/** Examples at their places among those that are chosen. */
async function* chosen(data: Data, which: Uint32Array | undefined): AsyncGenerator<Placed> {
  let next = 0;
  for await (const example of examplesOf(data)) {
    if (which === undefined) yield example;
    else if (which[next] === example.at) yield Object.assign(example, { at: next++ });
    if (which !== undefined && next === which.length) return;
  }
}

export const lengthOf = ({ content }: Pick<Example, "content">): number =>
  content.kind === "text" ? content.text.length : content.bytes.byteLength;

/** Examples by the window; the last one may be smaller. */
export async function* windowsOf<T extends Pick<Example, "content">>(
  examples: AsyncIterable<T>,
): AsyncGenerator<T[]> {
  let [window, bytes]: [T[], number] = [[], 0];
  for await (const example of examples) {
    window.push(example);
    bytes += 2 * lengthOf(example);
    if (window.length < WINDOW && bytes < WINDOW_BYTES) continue;
    yield window;
    [window, bytes] = [[], 0];
  }
  if (window.length > 0) yield window;
}

export function* chunksOf<T extends Pick<Example, "content">>(window: readonly T[]): Generator<T[]> {
  let [chunk, bytes]: [T[], number] = [[], 0];
  for (const example of window) {
    const more = 2 * lengthOf(example);
    if (chunk.length > 0 && (chunk.length === CHUNK || bytes + more > CHUNK_BYTES)) {
      yield chunk;
      [chunk, bytes] = [[], 0];
    }
    chunk.push(example);
    bytes += more;
  }
  if (chunk.length > 0) yield chunk;
}

/** Does work on each of some things, `AHEAD` of them at once. */
export async function inOrder<T>(things: Iterable<T>, work: (thing: T) => Promise<void>): Promise<void> {
  const iterator = things[Symbol.iterator]();
  const lane = async () => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: AHEAD }, lane));
}

/** Contents as tensors: `texts`, or the bytes of each image. */
export function itemsOf(examples: readonly Pick<Example, "content">[]): Map<string, Tensor> {
  const texts = examples.flatMap(({ content }) => (content.kind === "text" ? [content.text] : []));
  if (texts.length === examples.length)
    return new Map([["texts", { dtype: "string", shape: [texts.length], data: texts }]]);
  return new Map(
    examples.flatMap(({ content }, index): [string, Tensor][] =>
      content.kind === "image"
        ? [[String(index), { dtype: "uint8", shape: [content.bytes.byteLength], data: content.bytes }]]
        : [],
    ),
  );
}
