import type { Tensor } from "@modulehub/core/tensor";
import type { TableProgram } from "@modulehub/onnx";
import type { TableRows } from "./contract.ts";

/** A table of embeddings, with what the optimiser keeps of it. Row-major; both are changed in place. */
export interface TableWeights {
  values: Float32Array;
  state: Float32Array[];
}

/** The rows that a batch touches. */
export interface TouchedRows {
  /** Rows of the table, each once. */
  rows: Int32Array;
  /** Feeds of the graphs, see `TableProgram`: the rows themselves. */
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

/** Finds which rows batches touch, and carries them into the graphs and back. */
export class TableCarrier {
  private readonly program: TableProgram;
  private readonly isZero: Uint8Array;
  /** Place of each row among those that a batch touches; −1 for those it doesn't. */
  private readonly place: Int32Array;
  readonly weights: TableWeights;

  constructor(program: TableProgram, weights: TableWeights, isZero: Uint8Array) {
    this.program = program;
    this.weights = weights;
    this.isZero = isZero;
    this.place = new Int32Array(program.rows).fill(-1);
  }

  touch({ rows, offsets }: TableRows): TouchedRows {
    const found: number[] = [];
    for (const row of rows) {
      if (this.isZero[row] === 1 || this.place[row]! >= 0) continue;
      this.place[row] = found.length;
      found.push(row);
    }
    const touched = Int32Array.from(found);
    const { name, reads } = this.program;
    const weights = new Map([[`${name}/touched`, this.gather(this.weights.values, touched)]]);
    const which = new Map([
      reads === "sums"
        ? [`${name}/counts`, this.counts(rows, offsets, touched.length)]
        : [`${name}/positions`, this.positions(rows, offsets, touched.length)],
    ]);
    for (const row of touched) this.place[row] = -1;
    return { rows: touched, weights, which };
  }

  /** The touched rows of the optimiser's state, for a training step. */
  stateFeeds(touched: Int32Array): Map<string, Tensor> {
    return new Map(
      this.program.state.map(({ name }, at) => [
        `${name}/touched`,
        this.gather(this.weights.state[at]!, touched),
      ]),
    );
  }

  /** Puts a step's outputs in the places of the rows that went in. */
  put(touched: Int32Array, fetched: ReadonlyMap<string, Tensor>): void {
    const { name, state } = this.program;
    this.scatter(this.weights.values, touched, fetched.get(`next/${name}/touched`));
    for (const [at, one] of state.entries())
      this.scatter(this.weights.state[at]!, touched, fetched.get(`next/${one.name}/touched`));
  }

  private counts(rows: Int32Array, offsets: Int32Array, unique: number): Tensor {
    const batch = offsets.length - 1;
    const data = new Float32Array(batch * unique);
    for (let example = 0; example < batch; example++)
      for (let at = offsets[example]!; at < offsets[example + 1]!; at++) {
        const place = this.place[rows[at]!]!;
        if (place >= 0) data[example * unique + place]! += 1;
      }
    return { dtype: "float32", shape: [batch, unique], data };
  }

  private positions(rows: Int32Array, offsets: Int32Array, unique: number): Tensor {
    const batch = offsets.length - 1;
    let longest = 0;
    for (let example = 0; example < batch; example++)
      longest = Math.max(longest, offsets[example + 1]! - offsets[example]!);
    const data = new BigInt64Array(batch * longest).fill(BigInt(unique));
    for (let example = 0; example < batch; example++)
      for (let at = offsets[example]!, to = example * longest; at < offsets[example + 1]!; at++, to++) {
        const place = this.place[rows[at]!]!;
        if (place >= 0) data[to] = BigInt(place);
      }
    return { dtype: "int64", shape: [batch, longest], data };
  }

  private gather(table: Float32Array, rows: Int32Array): Tensor {
    const { dimensions } = this.program;
    const data = new Float32Array(rows.length * dimensions);
    for (let at = 0, to = 0; at < rows.length; at++)
      for (let from = rows[at]! * dimensions, end = from + dimensions; from < end; from++)
        data[to++] = table[from]!;
    return { dtype: "float32", shape: [rows.length, dimensions], data };
  }

  private scatter(table: Float32Array, rows: Int32Array, tensor: Tensor | undefined): void {
    const { dimensions } = this.program;
    if (tensor?.dtype !== "float32") throw new TypeError("A step gave no rows back.");
    const { data } = tensor;
    for (let at = 0, from = 0; at < rows.length; at++)
      for (let to = rows[at]! * dimensions, end = to + dimensions; to < end; to++) table[to] = data[from++]!;
  }
}
