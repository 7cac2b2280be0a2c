import { problem } from "@modulehub/core/problem";
import type { Tensor } from "@modulehub/core/tensor";
import type { TrainableBase } from "@modulehub/onnx";
import type { Features, TableRows } from "./contract.ts";
import { zeroRows } from "./table-rows.ts";

/** Numbers that come in pieces, in an array that grows. */
class Growing<A extends Int32Array | Float32Array> {
  private data: A;
  private readonly make: (length: number) => A;
  length = 0;

  constructor(make: (length: number) => A) {
    this.make = make;
    this.data = make(1024);
  }

  push(value: number): void {
    if (this.length === this.data.length) {
      const larger = this.make(this.data.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }

  finish(): A {
    return this.data.slice(0, this.length) as A;
  }
}

/**
 * Gathers what the front of a trainable base gives of a data set, batch by batch, so that training needs no strings: the
 * rows of each table that each example has, and what else the rest of the graph reads. Rows of zeros (padding) are left
 * out; where their place matters, those at the end.
 */
export class TableFeatures {
  private readonly tables: readonly {
    name: string;
    rowsFrom: string;
    count: number;
    reads: "sums" | "positions";
    isZero: Uint8Array;
    rows: Growing<Int32Array>;
    offsets: Growing<Int32Array>;
  }[];
  private readonly feeds: readonly { name: string; width: number; values: Growing<Float32Array> }[];
  private examples = 0;

  constructor(base: TrainableBase, tables: ReadonlyMap<string, Float32Array>) {
    this.tables = base.tables.map(({ name, rowsFrom, rows, dimensions, reads }) => {
      const values = tables.get(name);
      if (!values) throw new TypeError(`The table ${name} is missing.`);
      const offsets = new Growing((length) => new Int32Array(length));
      offsets.push(0);
      return {
        name,
        rowsFrom,
        count: rows,
        reads,
        isZero: zeroRows(values, dimensions),
        rows: new Growing((length) => new Int32Array(length)),
        offsets,
      };
    });
    this.feeds = base.feeds.map(({ name, width }) => ({
      name,
      width,
      values: new Growing((length) => new Float32Array(length)),
    }));
  }

  /** Outputs of the front for the next examples. Throws `graph-invalid` for rows that a table doesn't have. */
  add(fetched: ReadonlyMap<string, Tensor>): void {
    let examples = 0;
    for (const table of this.tables) {
      const tensor = fetched.get(table.rowsFrom);
      if (tensor?.dtype !== "int64")
        throw problem("graph-invalid", `"${table.rowsFrom}" gives no row numbers.`);
      const [batch = 0] = tensor.shape;
      const longest = batch === 0 ? 0 : tensor.data.length / batch;
      for (let example = 0; example < batch; example++)
        this.addRows(table, tensor.data.subarray(example * longest, (example + 1) * longest));
      examples = batch;
    }
    for (const { name, width, values } of this.feeds) {
      const tensor = fetched.get(name);
      if (tensor?.dtype !== "float32" || tensor.data.length !== examples * width)
        throw problem("graph-invalid", `"${name}" gives no ${width} numbers an example.`);
      for (const value of tensor.data) values.push(value);
    }
    this.examples += examples;
  }

  private addRows(table: (typeof this.tables)[number], numbers: BigInt64Array): void {
    let end = numbers.length;
    const rows = Array.from(numbers, (number) => Number(number < 0n ? number + BigInt(table.count) : number));
    if (rows.some((row) => row < 0 || row >= table.count))
      throw problem("graph-invalid", `The front asks for a row that the table "${table.name}" doesn't have.`);
    while (end > 0 && table.isZero[rows[end - 1]!] === 1) end -= 1;
    for (const row of rows.slice(0, end))
      if (table.reads === "positions" || table.isZero[row] !== 1) table.rows.push(row);
    table.offsets.push(table.rows.length);
  }

  finish(): Features {
    const tables = new Map(
      this.tables.map(({ name, rows, offsets }): [string, TableRows] => [
        name,
        { rows: rows.finish(), offsets: offsets.finish() },
      ]),
    );
    const feeds = this.feeds.map(({ name, width, values }) => ({ name, width, values: values.finish() }));
    return {
      examples: this.examples,
      feeds: (examples) =>
        new Map(feeds.map(({ name, width, values }) => [name, chosenRows(values, width, examples)])),
      tableRows(name, examples) {
        const table = tables.get(name);
        if (!table) throw new TypeError(`There is no table ${name}.`);
        return chosenLists(table, examples);
      },
    };
  }
}

function chosenRows(values: Float32Array, width: number, examples: Uint32Array): Tensor {
  const data = new Float32Array(examples.length * width);
  for (const [at, example] of examples.entries())
    data.set(values.subarray(example * width, (example + 1) * width), at * width);
  return { dtype: "float32", shape: [examples.length, width], data };
}

function chosenLists({ rows, offsets }: TableRows, examples: Uint32Array): TableRows {
  const chosen = new Int32Array(examples.length + 1);
  for (const [at, example] of examples.entries())
    chosen[at + 1] = chosen[at]! + offsets[example + 1]! - offsets[example]!;
  const data = new Int32Array(chosen[examples.length]!);
  for (const [at, example] of examples.entries())
    data.set(rows.subarray(offsets[example]!, offsets[example + 1]!), chosen[at]!);
  return { rows: data, offsets: chosen };
}
