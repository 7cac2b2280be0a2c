import { ProblemError } from "@modulehub/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteSource, bytesSource, type Lazy, lazyBytes } from "./byte-source.ts";
import { DECODE_LIMITS, decodeMessage, decodeModel, makeMessage } from "./decode.ts";
import { decodeTexts, encodeMessage, encodeRecords, modelBytes } from "./encode.ts";
import { type GraphProto, type MessageName, type ModelProto, SCHEMA } from "./schema.ts";
import { PYTHON_MODEL } from "./test-python-model.ts";
import { WIRE, WireReader, WireWriter } from "./wire.ts";

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "no error";
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
};

/** Random messages by the table itself, every field of every message. */
function arbitraryMessage(name: MessageName, depth: number): fc.Arbitrary<unknown> {
  const entries = SCHEMA[name].map((field): [string, fc.Arbitrary<unknown>] => {
    const one = {
      int64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
      uint64: fc.bigInt(0n, 2n ** 64n - 1n),
      int32: fc.integer(),
      float: fc.float({ noNaN: true }),
      double: fc.double({ noNaN: true }),
      string: fc.string({ unit: "binary", maxLength: 30 }).filter((text) => text.isWellFormed()),
      bytes: fc.uint8Array({ maxLength: 1500 }),
      packed32: fc.uint8Array({ maxLength: 1500 }),
      packed64: fc.uint8Array({ maxLength: 40 }),
      packedVarint: fc.uint8Array({ maxLength: 40 }),
      records: fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 4 }).map((values) => {
        const writer = new WireWriter();
        for (const value of values) {
          writer.varint((field.id << 3) | WIRE.bytes);
          writer.length(value.length);
          writer.piece(value);
        }
        return lazyBytes(writer.finish());
      }),
      message: field.of && depth > 0 ? arbitraryMessage(field.of, depth - 1) : fc.constant(undefined),
    }[field.kind];
    if (!field.repeated) return [field.key, fc.option(one, { nil: undefined, freq: 2 })];
    if (field.kind === "message" && depth === 0) return [field.key, fc.constant([])];
    const verbatim = field.kind === "records" || field.kind.startsWith("packed");
    const longest = verbatim ? 1 : 3;
    return [
      field.key,
      fc.array(
        one.filter((value) => !(value instanceof Uint8Array) || value.length > 0 || !verbatim),
        { maxLength: longest },
      ),
    ];
  });
  const oneofs = new Map(SCHEMA[name].flatMap(({ key, oneof }) => (oneof ? [[key, oneof] as const] : [])));
  return fc.record(Object.fromEntries(entries)).map((message) => {
    const seen = new Set<string>();
    return Object.fromEntries(
      Object.entries(message).filter(([key, value]) => {
        const group = oneofs.get(key);
        if (value === undefined || (group && seen.has(group))) return false;
        if (group) seen.add(group);
        return true;
      }),
    );
  });
}

/** References replaced by their bytes, buffers by plain arrays. */
const settled = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(settled);
  if (typeof value !== "object" || value === null) return value;
  if ("source" in value && "offset" in value) return [...lazyBytes(value as Lazy)];
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, settled(inner)]));
};

test("every message of the table comes back as it was written", () => {
  fc.assert(
    fc.property(arbitraryMessage("ModelProto", 4), (message) => {
      const model = message as ModelProto;
      const bytes = lazyBytes(encodeMessage("ModelProto", model));
      const back = decodeMessage("ModelProto", bytes);
      expect(settled(back)).toEqual(settled(model));
      expect(Buffer.from(modelBytes(back)).equals(bytes)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("a model that Python's onnx wrote is written back byte by byte", () => {
  expect(Buffer.from(modelBytes(decodeModel(PYTHON_MODEL))).equals(PYTHON_MODEL)).toBe(true);
});

test("damaged models give an error of the catalogue, never another and never a hang", () => {
  const codes = new Set<string>();
  for (let length = 0; length < PYTHON_MODEL.length; length += 7)
    codes.add(codeOf(() => decodeModel(PYTHON_MODEL.subarray(0, length))));
  expect([...codes].every((code) => ["not-onnx", "file-empty", "no error"].includes(code))).toBe(true);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(PYTHON_MODEL.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (flips) => {
        const bytes = Uint8Array.from(PYTHON_MODEL);
        for (const [at, value] of flips) bytes[at] = value;
        codeOf(() => modelBytes(decodeModel(bytes)));
      },
    ),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void codeOf(() => decodeModel(bytes))));
});

test("fields that the table does not know survive", () => {
  const writer = new WireWriter();
  writer.varint((777 << 3) | WIRE.bytes);
  writer.length(3000);
  writer.piece(new Uint8Array(3000).fill(7));
  writer.varint((778 << 3) | WIRE.fixed32);
  writer.float(2.5);
  const stranger = lazyBytes(writer.finish());
  const bytes = Buffer.concat([PYTHON_MODEL, stranger]);
  expect(Buffer.from(modelBytes(decodeModel(bytes))).equals(bytes)).toBe(true);
});

test("what was uploaded by accident is named", () => {
  const text = (content: string) => codeOf(() => decodeModel(Buffer.from(content)));
  expect(text("")).toBe("file-empty");
  expect(text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")).toBe("git-lfs-pointer");
  expect(text("<!DOCTYPE html><html></html>")).toBe("html-instead-of-model");
  expect(text("\n<html lang=en>")).toBe("html-instead-of-model");
  expect(text("PK\u0003\u0004 a zip file")).toBe("not-onnx");
  expect(text('{"model": 1}')).toBe("not-onnx");
});

test("as in protobuf, a graph that comes in two parts is one graph, and the last of two scalars counts", () => {
  const part = (graph: Partial<GraphProto>, irVersion: bigint) =>
    lazyBytes(
      encodeMessage(
        "ModelProto",
        makeMessage("ModelProto", { irVersion, graph: makeMessage("GraphProto", graph) }),
      ),
    );
  const node = makeMessage("NodeProto", { opType: "Relu" });
  const model = decodeModel(
    Buffer.concat([part({ name: "a", node: [node] }, 3n), part({ name: "b", node: [node] }, 8n)]),
  );
  expect([model.irVersion, model.graph?.name, model.graph?.node.length]).toEqual([8n, "b", 2]);
});

test("repeated numbers are read packed and unpacked", () => {
  const writer = new WireWriter();
  writer.varint((1 << 3) | WIRE.bytes);
  writer.length(3);
  writer.piece(Uint8Array.of(1, 0x96, 1));
  writer.varint((1 << 3) | WIRE.varint);
  writer.varint(7);
  // floatData, field 4, element by element
  for (const value of [1.5, -2]) {
    writer.varint((4 << 3) | WIRE.fixed32);
    writer.float(value);
  }
  const tensor = decodeMessage("TensorProto", lazyBytes(writer.finish()));
  expect(tensor.dims).toEqual([1n, 150n, 7n]);
  expect([...new Float32Array(lazyBytes(tensor.floatData).slice().buffer)]).toEqual([1.5, -2]);
});

test("graphs nested too deeply, too many nodes and too much structure are refused", () => {
  const limited = (bytes: Uint8Array, limits: Partial<typeof DECODE_LIMITS>) =>
    codeOf(() => decodeModel(bytes, { ...DECODE_LIMITS, ...limits }));
  let graph = makeMessage("GraphProto", {});
  for (let level = 0; level < 70; level++)
    graph = makeMessage("GraphProto", {
      node: [
        makeMessage("NodeProto", {
          opType: "If",
          attribute: [makeMessage("AttributeProto", { name: "then_branch", g: graph })],
        }),
      ],
    });
  const deep = modelBytes(makeMessage("ModelProto", { graph }));
  expect(limited(deep, {})).toBe("graph-too-complex");
  expect(limited(deep, { graphDepth: 80 })).toBe("no error");
  const node = new Array(50).fill(makeMessage("NodeProto", { opType: "Relu" }));
  const wide = modelBytes(makeMessage("ModelProto", { graph: makeMessage("GraphProto", { node }) }));
  expect(limited(wide, { nodes: 49 })).toBe("graph-too-complex");
  expect(limited(wide, { memory: 1000 })).toBe("graph-too-complex");
  expect(limited(wide, { fields: 20 })).toBe("graph-too-complex");
  // Written from the inside out, as recursion in the writer would overflow before the reader is asked.
  let bytes: Uint8Array = new Uint8Array(0);
  for (let level = 0; level < 3000; level++) {
    const writer = new WireWriter();
    const outer = level % 2 === 0 ? (1 << 3) | WIRE.bytes : (4 << 3) | WIRE.bytes;
    writer.varint(outer);
    writer.length(bytes.length);
    writer.piece(bytes);
    bytes = lazyBytes(writer.finish());
  }
  expect(codeOf(() => decodeMessage("TypeProto", bytes))).toBe("graph-too-complex");
});

test("names like __proto__ are names, and names of 64 kB are refused", () => {
  const named = (name: string) =>
    modelBytes(
      makeMessage("ModelProto", {
        graph: makeMessage("GraphProto", { node: [makeMessage("NodeProto", { name })] }),
      }),
    );
  expect(decodeModel(named("__proto__")).graph?.node[0]?.name).toBe("__proto__");
  expect(codeOf(() => decodeModel(named("n".repeat(65536))))).toBe("graph-invalid");
});

test("a number of more than ten bytes, and a length beyond the file, are not ONNX", () => {
  expect(codeOf(() => decodeModel(Uint8Array.of(8, ...new Array(11).fill(0xff), 1)))).toBe("not-onnx");
  expect(codeOf(() => decodeModel(Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)))).toBe(
    "not-onnx",
  );
});

test("64-bit numbers are exact", () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
      const writer = new WireWriter();
      const bits = BigInt.asUintN(64, value);
      writer.varint(Number(bits & 0xffffffffn), Number(bits >> 32n));
      const bytes = lazyBytes(writer.finish());
      expect(new WireReader(bytesSource(bytes)).int64(bytes.length)).toBe(value);
    }),
  );
});

test("a vocabulary is one reference, and its words can be read one by one", () => {
  const words = Array.from({ length: 5000 }, (_, index) => `wörd${index}`);
  const strings = encodeRecords("AttributeProto", "strings", words);
  const bytes = lazyBytes(
    encodeMessage("AttributeProto", makeMessage("AttributeProto", { name: "keys", strings })),
  );
  const back = decodeMessage("AttributeProto", bytes);
  expect(back.strings.length).toBe(1);
  expect([...decodeTexts(back.strings)]).toEqual(words);
});

test("tensors are not read, and are copied from their source when the model is written", () => {
  const data = new Uint8Array(1 << 20).map((_, index) => index);
  const tensor = makeMessage("TensorProto", { name: "w", dims: [1n << 18n], dataType: 1, rawData: data });
  const bytes = modelBytes(
    makeMessage("ModelProto", { graph: makeMessage("GraphProto", { initializer: [tensor] }) }),
  );
  let read = 0;
  const source: ByteSource = {
    size: bytes.length,
    read: (offset, length) => {
      read += length;
      return bytes.subarray(offset, offset + length);
    },
  };
  const model = decodeModel(source);
  expect(read).toBeLessThan(20_000);
  expect(Buffer.from(modelBytes(model)).equals(bytes)).toBe(true);
});

test("texts are read back as they were written, however many there are", () => {
  const texts = Array.from({ length: 60_000 }, (_, at) => `word ${at} ${"é".repeat(at % 7)}`);
  expect([...decodeTexts(encodeRecords("AttributeProto", "strings", texts))]).toEqual(texts);
  expect([...decodeTexts(encodeRecords("AttributeProto", "strings", []))]).toEqual([]);
});
