import { type FileHandle, open } from "node:fs/promises";
import { problem, type Tensor } from "@modulehub/core";
import type { Example } from "@modulehub/dataset";

/** An example with its place among those that are embedded. */
export type Placed = Example & { at: number };

/** Rows that may be lost by a crash: as many, and milliseconds. What is written down is first brought to the disk. */
const UNSAVED_ROWS = 4_096;
const UNSAVED_MS = 1_000;

/**
 * Embeddings on their way into a file, a row at its example's place, and a list beside it of the places whose rows are
 * safe: little-endian u32, first the numbers of a row, then each place + 1, for a file that a power cut left longer than
 * what was written to it ends in zeros. So whoever goes on knows what is there.
 */
export class EmbeddedRows implements AsyncDisposable {
  readonly #rows: FileHandle;
  readonly #list: FileHandle;
  /** By place: 1 for a row that is there. */
  readonly #there: Uint8Array;
  #count = 0;
  #features = 0;
  #isListed = false;
  /** Places whose rows are written and not yet safe. */
  #unsaved: number[] = [];
  #saved = performance.now();
  #saving: Promise<void> | undefined;

  private constructor(rows: FileHandle, list: FileHandle, total: number) {
    this.#rows = rows;
    this.#list = list;
    this.#there = new Uint8Array(total);
  }

  /** Goes on with what is there. What does not fit `total` examples is not taken for theirs. */
  static async open({ path, saved }: { path: string; saved: string }, total: number): Promise<EmbeddedRows> {
    const [rows, list] = [await open(path, "a+"), await open(saved, "a+")];
    // Writes of a file that is open for appending all go to its end.
    await rows.close();
    const opened = new EmbeddedRows(await open(path, "r+"), list, total);
    await opened.#readList();
    return opened;
  }

  async #readList(): Promise<void> {
    const bytes = await this.#list.readFile();
    const whole = Math.floor(bytes.length / 4);
    const numbers = Uint32Array.from({ length: whole }, (_, index) => bytes.readUInt32LE(index * 4));
    const features = numbers[0] ?? 0;
    const places = numbers.subarray(1).filter((number) => number > 0);
    const last = places.reduce((most, place) => Math.max(most, place), 0);
    const { size } = await this.#rows.stat();
    if (features === 0 || last > this.#there.length || size < last * features * 4) {
      await this.#list.truncate(0);
      return;
    }
    // A write that was cut off may have left a part of a number.
    await this.#list.truncate(whole * 4);
    this.#features = features;
    this.#isListed = true;
    for (const place of places) this.#add(place - 1);
  }

  #add(at: number): void {
    this.#count += 1 - this.#there[at]!;
    this.#there[at] = 1;
  }

  /** Numbers of a row; 0 before the first is there. */
  get features(): number {
    return this.#features;
  }

  /** Rows that are there. */
  get count(): number {
    return this.#count;
  }

  has({ at }: Placed): boolean {
    return this.#there[at] === 1;
  }

  /** Throws `task-mismatch` and `run-failed` for rows that no head can be trained on. */
  async write(rows: Tensor | undefined, examples: readonly Placed[]): Promise<void> {
    if (rows?.dtype !== "float32" || rows.shape[0] !== examples.length)
      throw new Error("An embedding came with other rows than were asked for.");
    const features = rows.shape[1] ?? 0;
    if (this.#features === 0) this.#features = features;
    if (features === 0 || features !== this.#features)
      throw problem("task-mismatch", "The base's embeddings differ in their number of features.");
    const unusable = rows.data.findIndex((value) => !Number.isFinite(value));
    if (unusable >= 0) {
      const { id } = examples[Math.floor(unusable / features)]!;
      throw problem("run-failed", `The base's embedding of ${id} holds numbers that are not finite.`);
    }
    for (const [index, { at }] of examples.entries()) {
      const row = rows.data.subarray(index * features, (index + 1) * features);
      const bytes = new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
      await this.#rows.write(bytes, 0, bytes.byteLength, at * features * 4);
      this.#add(at);
      this.#unsaved.push(at);
    }
    const isFull = this.#unsaved.length >= UNSAVED_ROWS;
    const isDue = performance.now() - this.#saved >= UNSAVED_MS && this.#saving === undefined;
    // While others save, only what would be too much again waits for them.
    if (isFull || isDue) await this.save();
  }

  /** Brings to the disk what was written so far, and then its places. */
  async save(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
    const places = this.#unsaved;
    if (places.length === 0) return;
    this.#unsaved = [];
    this.#saving = this.#saveNow(places).finally(() => {
      this.#saving = undefined;
      this.#saved = performance.now();
    });
    await this.#saving;
  }

  async #saveNow(places: readonly number[]): Promise<void> {
    await this.#rows.datasync();
    const numbers = places.map((at) => at + 1);
    const list = Uint32Array.from(this.#isListed ? numbers : [this.#features, ...numbers]);
    this.#isListed = true;
    await this.#list.appendFile(new Uint8Array(list.buffer));
    await this.#list.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rows.close();
    await this.#list.close();
  }
}
