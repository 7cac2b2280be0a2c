import { type ProblemError, problem } from "@modulehub/core/problem";
import { type ByteSource, bytesSource, type Lazy } from "./byte-source.ts";
import type { Field } from "./field.ts";
import { type MessageName, type Messages, type ModelProto, SCHEMA } from "./schema.ts";
import { notOnnx, WIRE, WireReader } from "./wire.ts";

/** What a model may cost to read. Everything over it is `graph-too-complex`. */
export interface DecodeLimits {
  /** Graphs inside graphs. */
  graphDepth: number;
  /** Messages inside messages: three for each level of graphs, and types within types. */
  messageDepth: number;
  /** Nodes of all graphs and functions together. */
  nodes: number;
  /** Bytes of names: of nodes, values, dimensions. Texts (documentation, metadata values) are not names. */
  nameLength: number;
  /** Fields of all messages together; tensors of numbers are one each, each string of a vocabulary is one. */
  fields: number;
  /** Estimated bytes of memory for all that is decoded; tensors are not. */
  memory: number;
}

export const DECODE_LIMITS: DecodeLimits = {
  graphDepth: 64,
  messageDepth: 256,
  nodes: 200_000,
  nameLength: 4096,
  fields: 10_000_000,
  memory: 256 * 2 ** 20,
};

/** Bytes fields up to this are read; longer ones become references. */
const INLINE_BYTES = 1024;

/** Rough costs in memory, in bytes, that the budget is charged with. */
const COST = { message: 300, bytes: 150, string: 40, number: 8, bigint: 32 };

/** Fields whose text may be long. */
const TEXTS = new Set(["docString", "value"]);

type Loose = Record<string, unknown>;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Fields of each message by number. */
const BY_NUMBER = Object.fromEntries(
  Object.entries(SCHEMA).map(([name, fields]) => [name, new Map(fields.map((field) => [field.id, field]))]),
) as Record<MessageName, Map<number, Field>>;

/** A message with its repeated fields empty. */
function emptyMessage(name: MessageName): Loose {
  const message: Loose = {};
  for (const field of SCHEMA[name]) if (field.repeated) message[field.key] = [];
  return message;
}

/** A message made of the fields given; repeated fields that are left out are empty. */
export function makeMessage<M extends MessageName>(name: M, fields: Partial<Messages[M]>): Messages[M] {
  return { ...emptyMessage(name), ...fields } as unknown as Messages[M];
}

/**
 * Decodes one message that fills a source. Fields of bytes above 1 KiB are left where they are, as references.
 * Follows protobuf: the last of several singular values counts, singular messages merge, unknown fields stay.
 * Throws `not-onnx` for bytes that are not such a message, `graph-invalid` and `graph-too-complex` by the limits.
 */
export function decodeMessage<M extends MessageName>(
  name: M,
  from: ByteSource | Uint8Array,
  limits: DecodeLimits = DECODE_LIMITS,
): Messages[M] {
  const source = from instanceof Uint8Array ? bytesSource(from) : from;
  const message = emptyMessage(name);
  new Decoder(source, limits).message(name, message, source.size, 0, 0);
  return message as unknown as Messages[M];
}

/**
 * The structure of an ONNX model. Throws as `decodeMessage` does, and says what was uploaded instead where it
 * can tell: `file-empty`, `git-lfs-pointer`, `html-instead-of-model`.
 */
export function decodeModel(from: ByteSource | Uint8Array, limits?: DecodeLimits): ModelProto {
  const source = from instanceof Uint8Array ? bytesSource(from) : from;
  const stranger = recognise(source);
  if (stranger) throw stranger;
  const model = decodeMessage("ModelProto", source, limits);
  if (!model.graph) throw notOnnx("it has no graph");
  return model;
}

/** What a file is, by its first bytes, if it is one of the usual accidents. */
function recognise(source: ByteSource): ProblemError | null {
  if (source.size === 0) return problem("file-empty", "The graph has no bytes; upload it again.");
  const start = Buffer.from(source.read(0, Math.min(source.size, 256))).toString("latin1");
  if (start.startsWith("version https://git-lfs.github.com/"))
    return problem("git-lfs-pointer", "The first line is that of a Git LFS pointer.");
  if (/^\s*(<!doctype html|<html|<head|<\?xml|<!--)/i.test(start))
    return problem("html-instead-of-model", "The first bytes are those of a web page.");
  return null;
}

class Decoder {
  readonly #reader: WireReader;
  readonly #source: ByteSource;
  readonly #limits: DecodeLimits;
  #memory = 0;
  #nodes = 0;
  #fields = 0;

  constructor(source: ByteSource, limits: DecodeLimits) {
    this.#reader = new WireReader(source);
    this.#source = source;
    this.#limits = limits;
  }

  message(name: MessageName, into: Loose, end: number, depth: number, graphs: number): void {
    this.#enter(name, depth, graphs);
    const reader = this.#reader;
    const fields = BY_NUMBER[name];
    /** Neighbouring fields that are kept as they are become one piece. */
    let run: { key: string; from: number } | null = null;
    while (reader.position < end) {
      if (++this.#fields > this.#limits.fields)
        throw problem("graph-too-complex", `The model has more than ${this.#limits.fields} fields.`);
      const from = reader.position;
      const tag = reader.tag(end);
      const wire = tag & 7;
      const field = fields.get(tag >>> 3);
      const verbatim = !field || !fits(field, wire) ? "unknown" : field.kind === "records" ? field.key : null;
      if (run && run.key !== verbatim) {
        this.#keep(into, run.key, run.from, from);
        run = null;
      }
      if (verbatim !== null) {
        reader.skipValue(wire, end);
        run ??= { key: verbatim, from };
      } else if (field) this.#field(field, into, wire, end, depth, graphs);
    }
    if (run) this.#keep(into, run.key, run.from, reader.position);
  }

  #enter(name: MessageName, depth: number, graphs: number): void {
    this.#spend(COST.message);
    if (name === "NodeProto" && ++this.#nodes > this.#limits.nodes)
      throw problem("graph-too-complex", `The model has more than ${this.#limits.nodes} nodes.`);
    if (graphs > this.#limits.graphDepth || depth > this.#limits.messageDepth)
      throw problem(
        "graph-too-complex",
        `Graphs or types are nested more than ${this.#limits.graphDepth} levels deep.`,
      );
  }

  #field(field: Field, into: Loose, wire: number, end: number, depth: number, graphs: number): void {
    const reader = this.#reader;
    if (field.oneof) for (const key of ONEOFS.get(field) ?? []) if (key !== field.key) delete into[key];
    switch (field.kind) {
      case "message": {
        if (!field.of) return;
        const length = reader.length(end);
        const old = field.repeated ? undefined : into[field.key];
        const message = (old as Loose | undefined) ?? emptyMessage(field.of);
        if (field.repeated) (into[field.key] as Loose[]).push(message);
        else into[field.key] = message;
        const inner = graphs + (field.of === "GraphProto" ? 1 : 0);
        this.message(field.of, message, reader.position + length, depth + 1, inner);
        return;
      }
      case "string":
        this.#set(field, into, this.#string(field, reader.length(end)));
        return;
      case "bytes": {
        const length = reader.length(end);
        into[field.key] = this.#lazy(length, end);
        return;
      }
      case "packed32":
      case "packed64":
      case "packedVarint": {
        const from = reader.position;
        if (wire === WIRE.bytes) (into[field.key] as Lazy[]).push(this.#lazy(reader.length(end), end));
        else {
          reader.skipValue(wire, end);
          const length = reader.position - from;
          reader.position = from;
          (into[field.key] as Lazy[]).push(this.#lazy(length, end));
        }
        return;
      }
      default: {
        if (wire !== WIRE.bytes) {
          this.#set(field, into, this.#scalar(field, end));
          return;
        }
        const length = reader.length(end);
        const stop = reader.position + length;
        while (reader.position < stop) this.#set(field, into, this.#scalar(field, stop));
      }
    }
  }

  #set(field: Field, into: Loose, value: unknown): void {
    if (field.repeated) (into[field.key] as unknown[]).push(value);
    else into[field.key] = value;
  }

  #scalar(field: Field, end: number): number | bigint {
    const wide = field.kind === "int64" || field.kind === "uint64";
    this.#spend(wide ? COST.bigint : COST.number);
    if (field.kind === "int64") return this.#reader.int64(end);
    if (field.kind === "uint64") return this.#reader.uint64(end);
    if (field.kind === "float") return this.#reader.float(end);
    if (field.kind === "double") return this.#reader.double(end);
    return this.#reader.int32(end);
  }

  #string(field: Field, length: number): string {
    if (length > this.#limits.nameLength && !TEXTS.has(field.key))
      throw problem(
        "graph-invalid",
        `A name has ${length} bytes; names may have ${this.#limits.nameLength} at most.`,
      );
    this.#spend(COST.string + 2 * length);
    const bytes = this.#reader.peek(length);
    this.#reader.position += length;
    try {
      return UTF8.decode(bytes);
    } catch (cause) {
      throw problem("graph-invalid", "A name or text in the model is not UTF-8.", { cause });
    }
  }

  #lazy(length: number, end: number): Lazy {
    this.#spend(COST.bytes);
    const reader = this.#reader;
    if (length <= INLINE_BYTES) {
      this.#spend(length);
      return reader.bytes(length);
    }
    const offset = reader.position;
    reader.skip(length, end);
    return { source: this.#source, offset, length };
  }

  #keep(into: Loose, key: string, from: number, to: number): void {
    const reader = this.#reader;
    const back = reader.position;
    reader.position = from;
    into[key] ??= [];
    (into[key] as Lazy[]).push(this.#lazy(to - from, to));
    reader.position = back;
  }

  #spend(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory > this.#limits.memory)
      throw problem(
        "graph-too-complex",
        "The structure of the model takes too much memory; move large attributes into initializers.",
      );
  }
}

/** The keys of a field's group. */
const ONEOFS = new Map<Field, string[]>(
  Object.values(SCHEMA).flatMap((fields) =>
    fields.flatMap((field): [Field, string[]][] =>
      field.oneof ? [[field, fields.filter((f) => f.oneof === field.oneof).map((f) => f.key)]] : [],
    ),
  ),
);

/** The wire type of a single element. */
function wireOf(field: Field): number {
  if (field.kind === "float" || field.kind === "packed32") return WIRE.fixed32;
  if (field.kind === "double" || field.kind === "packed64") return WIRE.fixed64;
  if (["string", "bytes", "records", "message"].includes(field.kind)) return WIRE.bytes;
  return WIRE.varint;
}

/** Whether a field may come with a wire type; otherwise protobuf holds it to be unknown. */
function fits(field: Field, wire: number): boolean {
  return wire === wireOf(field) || (field.repeated === true && wire === WIRE.bytes);
}
