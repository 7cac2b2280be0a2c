import type { Tensor } from "@modulehub/core/tensor";
import { LONE_GROUP, type TablePart, type TableProgram, tableParts } from "@modulehub/onnx";
import type { TableRows } from "./contract.ts";

/** A table of embeddings, with what the optimiser keeps of it. Row-major; both are changed in place. */
export interface TableWeights {
  values: Float32Array;
  state: Float32Array[];
}

/** Rows of a table, each once, that go into the graphs as one part. */
interface Part {
  part: TablePart;
  rows: Int32Array;
}

/** The rows that a batch touches. */
export interface TouchedRows {
  parts: readonly Part[];
  /** Feeds of the graphs, see `TableProgram`: the table, and the numbers of the rows. */
  weights: Map<string, Tensor>;
  /** And which of them an example has. */
  which: Map<string, Tensor>;
}

/** Which rows of a table are all zeros: 1 for those. They stay so. */
export function zeroRows(values: Float32Array, dimensions: number): Uint8Array {
  const flags = new Uint8Array(values.length / dimensions).fill(1);
  for (let at = 0; at < values.length; at++) if (values[at] !== 0) flags[Math.floor(at / dimensions)] = 0;
  return flags;
}

/** An array that serves one batch after the other: to make one of megabytes takes longer than to fill it. */
class Reused<A extends Float32Array | Int32Array | BigInt64Array> {
  private array: A;
  private readonly make: (length: number) => A;

  constructor(make: (length: number) => A) {
    this.make = make;
    this.array = make(0);
  }

  /** With what was in it before. */
  take(length: number): A {
    if (this.array.length < length) this.array = this.make(Math.ceil(length * 1.25));
    return this.array.subarray(0, length) as A;
  }
}

const reusedFloats = (): Reused<Float32Array> => new Reused((length) => new Float32Array(length));
const reusedIntegers = (): Reused<Int32Array> => new Reused((length) => new Int32Array(length));

/**
 * Finds which rows batches touch, and carries them into the graphs and back. What it gives is good until the next call of
 * `touch`.
 */
export class TableCarrier {
  private readonly program: TableProgram;
  /** How often the batch has each row; −1 for rows of zeros, which don't count. */
  private readonly uses: Int32Array;
  /** Place of each row in the part `touched`; −1 for those that aren't there. */
  private readonly place: Int32Array;
  private readonly found = { touched: reusedIntegers(), lone: reusedIntegers() };
  private readonly floats = new Map<string, Reused<Float32Array>>();
  private readonly places = new Reused((length) => new BigInt64Array(length));
  readonly weights: TableWeights;

  constructor(program: TableProgram, weights: TableWeights, isZero: Uint8Array) {
    this.program = program;
    this.weights = weights;
    this.uses = Int32Array.from(isZero, (flag) => -flag);
    this.place = new Int32Array(program.rows).fill(-1);
  }

  touch(batch: TableRows): TouchedRows {
    const { name, reads } = this.program;
    this.count(batch.rows);
    const { parts, owners } = this.partsOf(batch);
    const weights = new Map([
      [name, this.whole(this.weights.values)],
      ...parts.map(({ part, rows }): [string, Tensor] => [`${name}/${part}/rows`, numbersOf(part, rows)]),
    ]);
    const unique = parts[0]!.rows.length;
    const which = new Map(
      reads === "sums"
        ? [
            [`${name}/counts`, this.counts(batch, unique)],
            [`${name}/owners`, this.owners(owners, batch.offsets.length - 1)],
          ]
        : [[`${name}/positions`, this.positions(batch, unique)]],
    );
    this.forget(batch.rows);
    return { parts, weights, which };
  }

  private count(rows: Int32Array): void {
    const { uses } = this;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      const before = uses[row]!;
      if (before >= 0) uses[row] = before + 1;
    }
  }

  private forget(rows: Int32Array): void {
    const { uses, place } = this;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      if (uses[row]! > 0) uses[row] = 0;
      place[row] = -1;
    }
  }

  /** Feeds of the optimiser's state, for a training step. */
  stateFeeds(): Map<string, Tensor> {
    return new Map(this.program.state.map(({ name }, at) => [name, this.whole(this.weights.state[at]!)]));
  }

  /** Puts a step's outputs in the places of the rows that went in. */
  put(parts: readonly Part[], fetched: ReadonlyMap<string, Tensor>): void {
    const { name, state } = this.program;
    for (const { part, rows } of parts) {
      this.scatter(this.weights.values, rows, fetched.get(`next/${name}/${part}`));
      for (const [at, one] of state.entries())
        this.scatter(this.weights.state[at]!, rows, fetched.get(`next/${one.name}/${part}`));
    }
  }

  /** Rows in the order in which they come, and of each group of lone ones the example that has it. */
  private partsOf({ rows, offsets }: TableRows): { parts: Part[]; owners: number[] } {
    const { uses, place } = this;
    const touched = this.found.touched.take(rows.length);
    const lone = this.found.lone.take(rows.length);
    const owners: number[] = [];
    let [unique, alone] = [0, 0];
    const add = (row: number) => {
      if (place[row]! >= 0) return;
      place[row] = unique;
      touched[unique++] = row;
    };
    for (let example = 0; example + 1 < offsets.length; example++) {
      const first = alone;
      for (let at = offsets[example]!; at < offsets[example + 1]!; at++) {
        const row = rows[at]!;
        if (uses[row] === 1 && this.program.reads === "sums") lone[alone++] = row;
        else if (uses[row]! > 0) add(row);
      }
      // What makes no whole group goes with the others.
      while ((alone - first) % LONE_GROUP > 0) add(lone[--alone]!);
      for (let group = first; group < alone; group += LONE_GROUP) owners.push(example);
    }
    const found = { touched: touched.subarray(0, unique), lone: lone.subarray(0, alone) };
    return { parts: tableParts(this.program).map((part) => ({ part, rows: found[part] })), owners };
  }

  private counts({ rows, offsets }: TableRows, unique: number): Tensor {
    const batch = offsets.length - 1;
    const data = this.take("counts", batch * unique).fill(0);
    for (let example = 0; example < batch; example++)
      for (let at = offsets[example]!; at < offsets[example + 1]!; at++) {
        const place = this.place[rows[at]!]!;
        if (place >= 0) data[example * unique + place]! += 1;
      }
    return { dtype: "float32", shape: [batch, unique], data };
  }

  private owners(owners: readonly number[], batch: number): Tensor {
    const data = this.take("owners", batch * owners.length).fill(0);
    for (const [group, example] of owners.entries()) data[example * owners.length + group] = 1;
    return { dtype: "float32", shape: [batch, owners.length], data };
  }

  private positions({ rows, offsets }: TableRows, unique: number): Tensor {
    const batch = offsets.length - 1;
    let longest = 0;
    for (let example = 0; example < batch; example++)
      longest = Math.max(longest, offsets[example + 1]! - offsets[example]!);
    const data = this.places.take(batch * longest).fill(BigInt(unique));
    for (let example = 0; example < batch; example++)
      for (let at = offsets[example]!, to = example * longest; at < offsets[example + 1]!; at++, to++) {
        const place = this.place[rows[at]!]!;
        if (place >= 0) data[to] = BigInt(place);
      }
    return { dtype: "int64", shape: [batch, longest], data };
  }

  private take(name: string, length: number): Float32Array {
    let reused = this.floats.get(name);
    if (!reused) {
      reused = reusedFloats();
      this.floats.set(name, reused);
    }
    return reused.take(length);
  }

  /** Not a copy: the runtime reads it where it lies. */
  private whole(data: Float32Array): Tensor {
    const { rows, dimensions } = this.program;
    return { dtype: "float32", shape: [rows, dimensions], data };
  }

  private scatter(table: Float32Array, rows: Int32Array, tensor: Tensor | undefined): void {
    if (tensor?.dtype !== "float32") throw new TypeError("A step gave no rows back.");
    const { dimensions } = this.program;
    const [from, to] = [inPairs(tensor.data, dimensions), inPairs(table, dimensions)];
    if (from && to) copyRows(from, to, rows, dimensions / 2);
    else copyRows(tensor.data, table, rows, dimensions);
  }
}

/** The same numbers, two at a time: half as many to copy. Undefined where a row doesn't begin with a pair. */
const inPairs = (
  { buffer, byteOffset, length }: Float32Array,
  dimensions: number,
): Float64Array | undefined =>
  dimensions % 2 === 0 && byteOffset % Float64Array.BYTES_PER_ELEMENT === 0
    ? new Float64Array(buffer, byteOffset, length / 2)
    : undefined;

/** Puts rows that lie one behind the other in their places in a table. */
function copyRows<A extends Float32Array | Float64Array>(
  from: A,
  to: A,
  rows: Int32Array,
  width: number,
): void {
  for (let at = 0, next = 0; at < rows.length; at++)
    for (let place = rows[at]! * width, end = place + width; place < end; place++) to[place] = from[next++]!;
}

const numbersOf = (part: TablePart, rows: Int32Array): Tensor => ({
  dtype: "int32",
  shape: part === "lone" ? [rows.length / LONE_GROUP, LONE_GROUP] : [rows.length],
  data: rows,
});
