import { DTYPES } from "@modulehub/core/dtype";
import { attributeToProto } from "./attribute.ts";
import { type ByteSource, bytesSource, type Lazy } from "./byte-source.ts";
import { makeMessage } from "./decode.ts";
import type { ModelProto, NodeProto, TensorProto } from "./schema.ts";
import { EXTERNAL, rawLength } from "./tensor-proto.ts";

/** Smaller tensors are not worth a node. */
const LEAST_BYTES = 4096;
/** Largest finite float16. */
const MOST = 65504;
const CHUNK = 1 << 20;

/**
 * Stores the float32 weights of a model as float16, each with a Cast to float32 behind it: half the bytes, computed
 * with as before, with numbers rounded to 11 bits. Tensors are converted while they are read, so that the model
 * needn't fit in memory; those with numbers beyond float16's range stay as they are, and so does external data.
 */
export function storeAsFloat16(model: ModelProto): ModelProto {
  const { graph } = model;
  if (!graph) return model;
  const fed = new Set(graph.input.map((value) => value.name));
  const casts: NodeProto[] = [];
  const initializer = graph.initializer.map((tensor) => {
    const narrow = fed.has(tensor.name) ? null : narrowed(tensor);
    if (!narrow) return tensor;
    const [from, to] = [narrow.name ?? "", tensor.name ?? ""];
    const attribute = [attributeToProto("to", "int", DTYPES.float32.code)];
    casts.push(
      makeMessage("NodeProto", { opType: "Cast", name: from, input: [from], output: [to], attribute }),
    );
    return narrow;
  });
  return { ...model, graph: { ...graph, initializer, node: [...casts, ...graph.node] } };
}

function narrowed(tensor: TensorProto): TensorProto | null {
  if (tensor.dataType !== DTYPES.float32.code || tensor.dataLocation === EXTERNAL) return null;
  const length = rawLength(tensor);
  const part = tensor.rawData ?? (tensor.floatData.length === 1 ? tensor.floatData[0] : undefined);
  if (!part || length === null || length < LEAST_BYTES || part.length !== length || !fits(part)) return null;
  const source = float16Source(part);
  const { floatData: _, ...rest } = tensor;
  return {
    ...rest,
    name: `${tensor.name}/float16`,
    dataType: DTYPES.float16.code,
    floatData: [],
    rawData: { source, offset: 0, length: source.size },
  };
}

/** Bytes of float16 over bytes of float32, converted as they are read. */
function float16Source(part: Lazy): ByteSource {
  const [source, start] = part instanceof Uint8Array ? [bytesSource(part), 0] : [part.source, part.offset];
  return {
    size: part.length / 2,
    read(offset, length) {
      const first = offset & ~1;
      const count = Math.ceil((offset + length - first) / 2);
      const wide = floats(source.read(start + first * 2, count * 4));
      const narrow = new Uint8Array(new Float16Array(wide).buffer);
      return narrow.subarray(offset - first, offset - first + length);
    },
  };
}

function fits(part: Lazy): boolean {
  const [source, start] = part instanceof Uint8Array ? [bytesSource(part), 0] : [part.source, part.offset];
  for (let at = 0; at < part.length; at += CHUNK) {
    const values = floats(source.read(start + at, Math.min(CHUNK, part.length - at)));
    if (values.some((value) => !(Math.abs(value) <= MOST))) return false;
  }
  return true;
}

/** Copied, because bytes in a file are not aligned. */
const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);
