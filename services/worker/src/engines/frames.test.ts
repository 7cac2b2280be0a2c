import { PassThrough } from "node:stream";
import type { Tensor } from "@modulehub/core";
import { expect, test } from "vitest";
import { decodeFrame, encodeFrame, type Frame, FrameError, readFrames } from "./frames.ts";

const tensors = new Map<string, Tensor>([
  ["odd", { dtype: "uint8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
  ["wide", { dtype: "int64", shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
  ["text", { dtype: "string", shape: [2, 1], data: ["", "naïve 🙂"] }],
  ["none", { dtype: "float32", shape: [0, 4], data: new Float32Array() }],
]);

/** What a stream that delivers these bytes in pieces of a size makes of them. */
function received(
  bytes: Uint8Array,
  piece: number,
  limit?: number,
): { frames: Frame[]; faults: FrameError[] } {
  const stream = new PassThrough();
  const frames: Frame[] = [];
  const faults: FrameError[] = [];
  readFrames(
    stream,
    (frame) => frames.push(frame),
    (fault) => faults.push(fault),
    limit,
  );
  for (let at = 0; at < bytes.byteLength; at += piece)
    stream.emit("data", Buffer.from(bytes.subarray(at, at + piece)));
  return { frames, faults };
}

test("a frame comes back as it was, whatever pieces it arrives in", () => {
  const message = { kind: "run", id: 7 };
  const one = Buffer.concat(encodeFrame({ message, tensors }));
  for (const piece of [1, 3, 4, 7, 64, 10_000]) {
    const { frames, faults } = received(Buffer.concat([one, one]), piece);
    expect(faults).toEqual([]);
    expect(frames).toEqual([
      { message, tensors },
      { message, tensors },
    ]);
  }
});

test("a frame that promises more than is taken is refused before its bytes are kept", () => {
  const start = Buffer.alloc(8);
  start.writeUInt32LE(1_000_000, 0);
  expect(received(start, 8, 1000).faults).toHaveLength(1);
});

test("nothing is read after a broken frame", () => {
  const good = Buffer.concat(encodeFrame({ message: {}, tensors: new Map() }));
  const bad = Buffer.from(good);
  bad[8] = 0x7f;
  const { frames, faults } = received(Buffer.concat([good, bad, good]), 5);
  expect(frames).toHaveLength(1);
  expect(faults).toHaveLength(1);
});

test("tensors that don't fit their shapes, or reach beyond the frame, are refused", () => {
  const header = (list: unknown, body: Uint8Array) => {
    const json = Buffer.from(JSON.stringify({ message: {}, tensors: list }));
    const padding = Buffer.alloc((8 - ((8 + json.byteLength) % 8)) % 8);
    const all = Buffer.concat([Buffer.alloc(8), json, padding, body]);
    all.writeUInt32LE(all.byteLength - 4, 0);
    all.writeUInt32LE(json.byteLength, 4);
    return Buffer.from(new Uint8Array(all));
  };
  const tensor = { name: "x", dtype: "float32", shape: [2], bytes: 8 };
  expect(decodeFrame(header([tensor], new Uint8Array(8))).tensors.get("x")?.shape).toEqual([2]);
  for (const broken of [
    { ...tensor, shape: [3] },
    { ...tensor, bytes: 4 },
    { ...tensor, bytes: 1_000_000 },
    { ...tensor, dtype: "string", shape: [1] },
    { ...tensor, shape: [-1] },
    { ...tensor, dtype: "float33" },
  ])
    expect(() => decodeFrame(header([broken], new Uint8Array(8).fill(9)))).toThrow(FrameError);
});
