import { checkShape, elementCount, type InputTensor, problem, type Signature } from "@modulehub/core";

/**
 * Checks inputs against a signature: none missing, none unknown, dtype, rank and fixed sizes as declared, a name
 * in shapes the same size everywhere, no string that ONNX Runtime would cut. Throws `input-missing`,
 * `input-unknown` and `tensor-invalid`. Returns the size of the first axis, 1 where no input has axes.
 */
export function checkInputs(signature: Signature, inputs: ReadonlyMap<string, InputTensor>): number {
  checkInputNames(signature, [...inputs.keys()]);
  const sizes = new Map<string, { size: number; input: string }>();
  let items: number | undefined;
  for (const [name, spec] of Object.entries(signature.inputs)) {
    const tensor = inputs.get(name)!;
    const place = `inputs.${name}`;
    if (tensor.dtype !== spec.dtype)
      throw fault(place, `has dtype ${tensor.dtype}, but the signature says ${spec.dtype}`);
    checkShape(tensor.shape, spec, place);
    for (const [axis, dimension] of spec.shape.entries()) {
      if (typeof dimension === "number") continue;
      const size = tensor.shape[axis]!;
      const known = sizes.get(dimension);
      if (known && known.size !== size)
        throw fault(place, `has ${size} for ${dimension}, but ${known.input} has ${known.size}`);
      sizes.set(dimension, { size, input: name });
    }
    items ??= tensor.shape[0];
    if (tensor.dtype === "image" || tensor.dtype === "string") checkElements(tensor, place);
  }
  return items ?? 1;
}

/** Throws `input-unknown` for names that are no inputs of the signature, `input-missing` where one of its own lacks. */
export function checkInputNames(signature: Signature, names: readonly string[]): void {
  for (const name of names)
    if (!Object.hasOwn(signature.inputs, name))
      throw problem(
        "input-unknown",
        `The signature has no input ${name.slice(0, 100)}; it has ${Object.keys(signature.inputs).join(", ")}.`,
      );
  for (const name of Object.keys(signature.inputs))
    if (!names.includes(name)) throw problem("input-missing", `The input ${name} is missing.`);
}

function checkElements(tensor: Extract<InputTensor, { dtype: "image" | "string" }>, place: string): void {
  if (tensor.data.length !== elementCount(tensor.shape))
    throw fault(place, `has ${tensor.data.length} elements for shape [${tensor.shape}]`);
  if (tensor.dtype === "image") return;
  const cut = tensor.data.findIndex((text) => text.includes("\0"));
  if (cut >= 0) throw fault(`${place}[${cut}]`, "holds a NUL character, where ONNX Runtime would cut it");
}

const fault = (path: string, rule: string) =>
  problem("tensor-invalid", `${path} ${rule}.`, { errors: [{ path, message: rule }] });
