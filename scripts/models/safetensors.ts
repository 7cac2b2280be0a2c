import type { TensorOf } from "@modulehub/core";

/**
 * The float32 tensors of a safetensors file: name to shape and numbers. Tensors of other types are left out.
 *
 * Format: a u64 (little endian) with the length of a JSON header, the header
 * `{name: {dtype, shape, data_offsets: [begin, end]}}`, and the bytes that the offsets count from its end.
 *
 * @throws Error where the file does not have that form
 */
export function readSafetensors(file: Buffer): Map<string, TensorOf<"float32">> {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header: unknown = JSON.parse(file.toString("utf8", 8, start));
  if (typeof header !== "object" || header === null) throw new Error("the header is not an object");
  const tensors = new Map<string, TensorOf<"float32">>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__" || entry.dtype !== "F32") continue;
    const shape: number[] = entry.shape;
    const [begin, end]: [number, number] = entry.data_offsets;
    const count = shape.reduce((product, size) => product * size, 1);
    if (end - begin !== count * 4 || start + end > file.length)
      throw new Error(`the bytes of ${name} don't fit its shape [${shape}]`);
    const data = new Float32Array(count);
    // Copied, because the file's tensors need not be aligned to 4 bytes.
    Buffer.from(data.buffer).set(file.subarray(start + begin, start + end));
    tensors.set(name, { dtype: "float32", shape, data });
  }
  return tensors;
}
