import type { Dtype } from "@modulehub/core/dtype";
import type { Tensor } from "@modulehub/core/tensor";
import type { Dimension } from "./value-type.ts";

/** A tensor of a graph that is being built: what a node, an input or an initializer gives. */
export class Value {
  /** The builder may rename what nodes give, until the model is made. */
  name: string;
  readonly origin: "input" | "initializer" | "node";
  readonly dtype: Dtype;
  readonly shape: readonly Dimension[];
  /** Elements that are known while building; see `Inferred`. */
  readonly known: readonly Dimension[] | undefined;

  constructor(
    name: string,
    origin: Value["origin"],
    type: { dtype: Dtype; shape: readonly Dimension[]; known?: readonly Dimension[] },
  ) {
    this.name = name;
    this.origin = origin;
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.known = type.known;
  }
}

/** Elements of a small constant that shape rules may need. */
export function knownElements(tensor: Tensor): number[] | undefined {
  if (tensor.shape.length > 1 || tensor.data.length > 64) return undefined;
  if (tensor.dtype === "int64") return Array.from(tensor.data, Number);
  if (tensor.dtype === "int32" || tensor.dtype === "float32") return Array.from(tensor.data);
  return undefined;
}
