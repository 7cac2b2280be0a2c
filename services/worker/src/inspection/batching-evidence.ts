import { type Batching, ProblemError, type Tensor } from "@modulehub/core";
import { concat, slice } from "../scheduler/axis.ts";
import { MAX_BATCH_ITEMS, TENSOR_LIMITS } from "../scheduler/batch-forming.ts";
import { join, kindOf, type Proof, split } from "../scheduler/work.ts";
import { difference, TOLERANCE } from "./compare-rows.ts";
import { operatorRefusal } from "./refusing-operators.ts";
import type { Candidate, Feeds } from "./tensor-variations.ts";

/** A signature's compiled graph, and items to try it with. */
export interface BatchingSubject {
  /** Every operator that the graph uses. */
  operators: readonly string[];
  /** What is fed and fetched, with shapes as the open session declares them. */
  inputs: readonly { name: string; shape: readonly (number | string)[] }[];
  outputs: readonly { name: string; shape: readonly (number | string)[] }[];
  /** Requests as they come, of one or several items: the manifest's examples. */
  requests: readonly Feeds[];
  /** Items made from them, each a batch of one. */
  candidates: readonly Candidate[];
  /** Inputs that could be padded, the mask among them; undefined where none plays the mask. */
  padding: Proof["pad"] | undefined;
  run(feeds: Feeds): Promise<Map<string, Tensor>>;
  /** On performance.now()'s clock: when trying must end. */
  until: number;
}

export interface BatchingEvidence {
  batching: Batching;
  /** What was tried and seen, a sentence each; the last says why it is `none`, where it is. */
  evidence: string[];
}

/** Extreme values lose digits to cancellation; what couples them differs by far more. */
const EXTREME_TOLERANCE = 1e-4;

/** Fewer different items couldn't show anything. */
const FEWEST_ITEMS = 3;

interface Item extends Candidate {
  reference: Map<string, Tensor>;
  length: number;
}

/** Something that speaks against batching. */
class Disproof extends Error {}

/**
 * Whether items of different requests may run together, by trying: every item alone, then among different mates,
 * in every position, in batches up to the largest that is ever formed, and padded. Anything else than the result
 * it has alone means `none` (contracts-serving, "What may be batched").
 */
export async function proveBatching(subject: BatchingSubject): Promise<BatchingEvidence> {
  const evidence: string[] = [];
  try {
    const proof = declaredBatch(subject);
    const items = await itemsAlone(subject, proof);
    evidence.push(`${items.length} items ran alone, twice with the same result.`);
    await tryRequests(subject, proof, items, evidence);
    await tryGroups(subject, proof, items, evidence);
    if (subject.padding) proof.pad = await tryPadding(subject, proof, items, evidence);
    return { batching: proof, evidence };
  } catch (error) {
    // A run that fails in a batch, also for want of memory, shows that items don't batch.
    if (!(error instanceof Disproof || error instanceof ProblemError)) throw error;
    evidence.push(error.message);
    return { batching: "none", evidence };
  }
}

/** What the graph itself says: every input and output begins with one open dimension. */
function declaredBatch({ operators, inputs, outputs }: BatchingSubject): Proof {
  const refusal = operatorRefusal(operators);
  if (refusal) throw new Disproof(refusal);
  const names = new Set<string>();
  for (const { name, shape } of inputs) {
    if (shape.length === 0) throw new Disproof(`The input ${name} has no batch.`);
    if (typeof shape[0] === "number")
      throw new Disproof(`The input ${name} has a fixed batch of ${shape[0]}.`);
    if (shape[0]) names.add(shape[0]);
  }
  if (names.size > 1) throw new Disproof("The inputs begin with different dimensions.");
  for (const { name, shape } of outputs) {
    if (shape.length === 0) throw new Disproof(`The output ${name} has no batch.`);
    if (typeof shape[0] === "number")
      throw new Disproof(`The output ${name} has a fixed batch of ${shape[0]}.`);
  }
  return {
    inputs: Object.fromEntries(inputs.map(({ name }) => [name, 0])),
    outputs: Object.fromEntries(outputs.map(({ name }) => [name, 0])),
    pad: {},
  };
}

/** The candidates that run alone, with what comes out. Those that fail are left out: they'd fail for a caller. */
async function itemsAlone(subject: BatchingSubject, proof: Proof): Promise<Item[]> {
  const items: Item[] = [];
  for (const candidate of subject.candidates) {
    checkTime(subject);
    const reference = await subject.run(candidate.feeds).catch(ignoreProblem);
    if (!reference) continue;
    if (!split(reference, 1, proof)) throw new Disproof("An output of one item is not one row.");
    const again = await subject.run(candidate.feeds);
    expectEqual({ ...candidate, reference, length: 1 }, again, "run twice");
    items.push({ ...candidate, reference, length: 1 });
  }
  const different = new Set(items.map(({ reference }) => fingerprint(reference)));
  if (different.size < FEWEST_ITEMS)
    throw new Disproof(`Only ${different.size} items gave different results: too few to show anything.`);
  return items;
}

const ignoreProblem = (error: unknown): undefined => {
  if (!(error instanceof ProblemError)) throw error;
};

/** Requests as they came must be what their rows are alone: the axis is that of items, not of time. */
async function tryRequests(
  subject: BatchingSubject,
  proof: Proof,
  items: Item[],
  evidence: string[],
): Promise<void> {
  let tried = 0;
  for (const request of subject.requests) {
    const count = [...request.values()][0]?.shape[0] ?? 0;
    if (count < 2) continue;
    const rows = split(request, count, { ...proof, outputs: axesOf(proof.inputs) });
    if (!rows) continue;
    const alone: Item[] = [];
    for (const feeds of rows)
      alone.push({ feeds, extreme: false, reference: await subject.run(feeds), length: 1 });
    await expectBatch(subject, proof, alone, "in an example");
    items.push(...alone);
    tried += 1;
  }
  if (tried > 0) evidence.push(`${tried} examples of several items gave each what it gives alone.`);
}

const axesOf = (inputs: Proof["inputs"]): Proof["outputs"] =>
  Object.fromEntries(
    Object.entries(inputs).flatMap(([name, axis]) => (axis === "shared" ? [] : [[name, axis]])),
  );

/** Items of one shape among different mates: sizes up to the largest batch, every position. */
async function tryGroups(
  subject: BatchingSubject,
  proof: Proof,
  items: Item[],
  evidence: string[],
): Promise<void> {
  const kinds = Map.groupBy(items, (item) => kindOf(item.feeds, proof) ?? item);
  const groups = [...kinds.values()];
  const largest = subject.padding || hasText(items) ? MAX_BATCH_ITEMS : TENSOR_LIMITS.maxItems;
  let runs = 0;
  let most = 0;
  for (const group of groups) {
    if (new Set(group.map(({ reference }) => fingerprint(reference))).size < FEWEST_ITEMS) continue;
    most = Math.max(most, group.length);
    for (const batch of batchesOf(group, largest)) {
      await expectBatch(subject, proof, batch, `among ${batch.length - 1} mates`);
      runs += 1;
    }
  }
  if (runs === 0)
    throw new Disproof("No three items of one shape gave different results: nothing could be shown.");
  evidence.push(`${runs} batches of up to ${largest}, of up to ${most} different items, changed no result.`);
}

const hasText = (items: Item[]): boolean =>
  items.some(({ feeds }) => [...feeds.values()].some(({ dtype }) => dtype === "string"));

/** Batches of 2 with every pair of neighbours and opposites, then larger ones, from every start or some. */
function* batchesOf<T>(group: readonly T[], largest: number): Generator<T[]> {
  const at = (index: number): T => group[index % group.length]!;
  for (let start = 0; start < group.length; start++)
    for (const step of new Set([1, group.length - 1, Math.max(1, group.length >> 1)]))
      yield [at(start), at(start + step)];
  for (const size of [3, 5, 8, 16, 32].filter((candidate) => candidate <= largest)) {
    const starts = size <= 5 ? group.length : Math.min(group.length, 3);
    for (let start = 0; start < starts; start++)
      yield Array.from({ length: size }, (_, index) => at(start + index * (size === 3 ? 2 : 1)));
  }
}

/**
 * Padding counts as proven where every item gives, with several amounts of it, what it gives without, alone and
 * among longer mates. Where it isn't, batches of equal length still are.
 */
async function tryPadding(
  subject: BatchingSubject,
  proof: Proof,
  items: Item[],
  evidence: string[],
): Promise<Proof["pad"]> {
  const pad = subject.padding ?? {};
  const padded = { ...proof, pad };
  const sized = items.map((item) => ({ ...item, length: paddedLength(item.feeds, pad) }));
  const lengths = [...new Set(sized.map(({ length }) => length))];
  if (lengths.length < FEWEST_ITEMS) {
    evidence.push("Too few different lengths were tried to prove padding.");
    return {};
  }
  // Beyond the longest item a model may have no positions left; padding never reaches there.
  const longest = Math.max(...lengths);
  try {
    for (const item of sized)
      for (const longer of [item.length + 1, item.length + 5, item.length * 2, longest]) {
        checkTime(subject);
        if (longer > longest) continue;
        const feeds = join([item, lengthened(item, longer, pad)], padded);
        const parts = split(await subject.run(feeds), 2, padded);
        if (!parts) throw new Disproof("rows are missing");
        expectEqual(item, parts[0]!, `padded from ${item.length} to ${longer}`);
      }
    for (const batch of batchesOf(
      sized.toSorted((a, b) => a.length - b.length),
      MAX_BATCH_ITEMS,
    ))
      await expectBatch(subject, padded, batch, "among mates of other lengths");
  } catch (error) {
    if (!(error instanceof Disproof || error instanceof ProblemError)) throw error;
    evidence.push(`Padding is not proven: ${error.message}`);
    return {};
  }
  evidence.push(`Padding changed no result, between ${lengths.length} lengths, up to ${longest}.`);
  return pad;
}

const paddedLength = (feeds: Feeds, pad: Proof["pad"]): number =>
  Math.max(...Object.entries(pad).map(([name, { axis }]) => feeds.get(name)?.shape[axis] ?? 0));

/** A mate of a given length, made by repeating an item's own rows. */
function lengthened(item: Item, length: number, pad: Proof["pad"]): Item {
  const feeds = new Map<string, Tensor>();
  for (const [name, tensor] of item.feeds) {
    const axis = pad[name]?.axis;
    feeds.set(name, axis === undefined ? tensor : repeated(tensor, axis, length));
  }
  return { ...item, feeds, length };
}

function expectEqual(item: Item, fetches: ReadonlyMap<string, Tensor>, how: string): void {
  const tolerance = item.extreme ? EXTREME_TOLERANCE : TOLERANCE;
  for (const [name, reference] of item.reference) {
    const other = fetches.get(name);
    const apart = other ? difference(reference, other) : Infinity;
    if (apart > tolerance)
      throw new Disproof(
        Number.isFinite(apart)
          ? `An item ${how} gave an output ${name} that differs by ${apart.toExponential(1)} from what it gives alone.`
          : `An item ${how} gave another output ${name} than alone.`,
      );
  }
}

async function expectBatch(
  subject: BatchingSubject,
  proof: Proof,
  batch: Item[],
  how: string,
): Promise<void> {
  checkTime(subject);
  const parts = split(await subject.run(join(batch, proof)), batch.length, proof);
  if (!parts) throw new Disproof(`A batch of ${batch.length} gave outputs without a row an item.`);
  for (const [index, item] of batch.entries()) expectEqual(item, parts[index]!, how);
}

function checkTime({ until }: BatchingSubject): void {
  if (performance.now() > until) throw new Disproof("Trying took too long to prove anything.");
}

function fingerprint(fetches: ReadonlyMap<string, Tensor>): string {
  return [...fetches.values()].map(({ data }) => data.slice(0, 64).join()).join(";");
}

function repeated(tensor: Tensor, axis: number, length: number): Tensor {
  const size = tensor.shape[axis] ?? 0;
  const copies = Array.from({ length: Math.ceil(length / Math.max(1, size)) }, () => tensor);
  return slice(concat(copies, axis), axis, 0, length);
}
