import { writeSync } from "node:fs";
import { bytesSource, type Lazy, lazyBytes, lazyChunks, lazyLength } from "./byte-source.ts";
import type { Field } from "./field.ts";
import { type MessageName, type Messages, type ModelProto, SCHEMA } from "./schema.ts";
import { varintSize, WIRE, WireReader, WireWriter } from "./wire.ts";

type Loose = Record<string, unknown>;

const tagOf = (id: number, wire: number): number => ((id << 3) | wire) >>> 0;
const utf8Length = (text: string): number => Buffer.byteLength(text, "utf8");
const lengthSize = (length: number): number =>
  varintSize((length % 2 ** 32) | 0, Math.floor(length / 2 ** 32));

/**
 * A message in protobuf as a list of pieces, fields by number and unknown ones last. What was a reference to a
 * source stays one, so the list is small even where the message is gigabytes.
 */
export function encodeMessage<M extends MessageName>(name: M, message: Messages[M]): Lazy[] {
  const encoder = new Encoder();
  encoder.write(name, message as unknown as Loose);
  return encoder.writer.finish();
}

/** A model's bytes in chunks of at most 1 MiB; tensors that were never read are copied from their source. */
export function* encodeModel(model: ModelProto): Generator<Uint8Array> {
  for (const piece of encodeMessage("ModelProto", model)) yield* lazyChunks(piece);
}

/** A model's bytes in one array, for models that fit in memory. */
export const modelBytes = (model: ModelProto): Uint8Array =>
  lazyBytes(encodeMessage("ModelProto", model)).slice();

/**
 * Writes a model to an open file, from its present position on, without holding it in memory. Returns the number
 * of bytes. The sources of the model must still be open, and be other files.
 */
export function writeModel(model: ModelProto, descriptor: number): number {
  let total = 0;
  for (const chunk of encodeModel(model))
    for (let at = 0; at < chunk.byteLength; ) {
      const count = writeSync(descriptor, chunk, at);
      at += count;
      total += count;
    }
  return total;
}

/** The wire form of repeated bytes (`AttributeProto.strings`, `TensorProto.stringData`). */
export function encodeRecords<M extends MessageName>(
  name: M,
  key: keyof Messages[M] & string,
  values: Iterable<string | Uint8Array>,
): Lazy[] {
  const field = SCHEMA[name].find((candidate) => candidate.key === key && candidate.kind === "records");
  if (!field) throw new TypeError(`${name}.${key} is not a field of repeated bytes`);
  const writer = new WireWriter();
  for (const value of values) {
    const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
    writer.varint(tagOf(field.id, WIRE.bytes));
    writer.length(bytes.byteLength);
    writer.piece(bytes);
  }
  // One piece: the writer's own may end in the middle of a record, and `decodeRecords` reads piece by piece.
  const bytes = lazyBytes(writer.finish());
  return bytes.length === 0 ? [] : [bytes];
}

/** The elements of repeated bytes, one after another. */
export function* decodeRecords(records: readonly Lazy[]): Generator<Uint8Array> {
  for (const piece of records) {
    const source = piece instanceof Uint8Array ? bytesSource(piece) : piece.source;
    const start = piece instanceof Uint8Array ? 0 : piece.offset;
    const end = start + piece.length;
    const reader = new WireReader(source, start);
    while (reader.position < end) {
      reader.tag(end);
      yield reader.bytes(reader.length(end));
    }
  }
}

/** The elements of repeated bytes as text; bytes that are not UTF-8 become U+FFFD. */
export function* decodeTexts(records: readonly Lazy[]): Generator<string> {
  for (const bytes of decodeRecords(records))
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

class Encoder {
  readonly writer = new WireWriter();
  /** Sizes by message: a message's length is written before it, and needed again by the messages around it. */
  readonly #sizes = new Map<object, number>();

  write(name: MessageName, message: Loose): void {
    for (const field of SCHEMA[name]) {
      const value = message[field.key];
      if (value === undefined) continue;
      if (!field.repeated) this.#one(field, value);
      else if (isVerbatim(field)) this.#verbatim(field, value as Lazy[]);
      else for (const element of value as unknown[]) this.#one(field, element);
    }
    for (const piece of (message.unknown as Lazy[] | undefined) ?? []) this.writer.piece(piece);
  }

  #verbatim(field: Field, pieces: Lazy[]): void {
    const length = lazyLength(pieces);
    if (length === 0) return;
    if (field.kind !== "records") {
      this.writer.varint(tagOf(field.id, WIRE.bytes));
      this.writer.length(length);
    }
    for (const piece of pieces) this.writer.piece(piece);
  }

  #one(field: Field, value: unknown): void {
    const { writer } = this;
    writer.varint(tagOf(field.id, wireOf(field)));
    if (field.kind === "message" && field.of) {
      const message = value as Loose;
      writer.length(this.#size(field.of, message));
      this.write(field.of, message);
    } else if (field.kind === "string") {
      const bytes = Buffer.from(value as string, "utf8");
      writer.length(bytes.byteLength);
      writer.piece(bytes);
    } else if (field.kind === "bytes") {
      writer.length((value as Lazy).length);
      writer.piece(value as Lazy);
    } else if (field.kind === "float") writer.float(value as number);
    else if (field.kind === "double") writer.double(value as number);
    else writer.varint(...halves(value as number | bigint));
  }

  #size(name: MessageName, message: Loose): number {
    const known = this.#sizes.get(message);
    if (known !== undefined) return known;
    let size = lazyLength((message.unknown as Lazy[] | undefined) ?? []);
    for (const field of SCHEMA[name]) {
      const value = message[field.key];
      if (value === undefined) continue;
      const tag = varintSize(tagOf(field.id, 0), 0);
      if (!field.repeated) size += tag + this.#valueSize(field, value);
      else if (isVerbatim(field)) {
        const length = lazyLength(value as Lazy[]);
        if (length > 0) size += length + (field.kind === "records" ? 0 : tag + lengthSize(length));
      } else for (const element of value as unknown[]) size += tag + this.#valueSize(field, element);
    }
    this.#sizes.set(message, size);
    return size;
  }

  #valueSize(field: Field, value: unknown): number {
    if (field.kind === "float") return 4;
    if (field.kind === "double") return 8;
    let length = 0;
    if (field.kind === "message" && field.of) length = this.#size(field.of, value as Loose);
    else if (field.kind === "string") length = utf8Length(value as string);
    else if (field.kind === "bytes") length = (value as Lazy).length;
    else return varintSize(...halves(value as number | bigint));
    return lengthSize(length) + length;
  }
}

const isVerbatim = (field: Field): boolean => field.kind === "records" || field.kind.startsWith("packed");

function wireOf(field: Field): number {
  if (field.kind === "float") return WIRE.fixed32;
  if (field.kind === "double") return WIRE.fixed64;
  return field.kind === "message" || field.kind === "string" || field.kind === "bytes"
    ? WIRE.bytes
    : WIRE.varint;
}

/** Low and high 32 bits of a number in two's complement of 64 bits. */
function halves(value: number | bigint): [number, number] {
  if (typeof value === "number") return [value >>> 0, value < 0 ? 0xffffffff : 0];
  const bits = BigInt.asUintN(64, value);
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}
