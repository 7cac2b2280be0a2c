import type { Tensor } from "@modulehub/core/tensor";
import type { Dimension } from "../value-type.ts";
import {
  concatGradient,
  expandGradient,
  gatherGradient,
  reshapeGradient,
  sliceGradient,
  splitGradient,
  tileGradient,
  transposeGradient,
} from "./gradients/rearranging.ts";
import {
  axisOf,
  broadcast,
  given,
  type Inference,
  type Inferred,
  intAttribute,
  intsAttribute,
  knownInts,
  knownNumbers,
  misfit,
  operator,
  sameDtype,
  show,
  sumOf,
} from "./operator.ts";

/** A shape that comes as a tensor: its elements where they are known, else as many open sizes. */
function shapeFrom(input: Inferred): Dimension[] {
  const [length] = input.shape;
  if (input.known) return [...input.known];
  if (input.shape.length !== 1 || typeof length !== "number")
    throw misfit("A shape must be a one-dimensional tensor of known length.");
  return new Array<Dimension>(length).fill(null);
}

/** Axes that are an input in newer opsets and an attribute in older ones. */
function axesOf(inference: Inference, index: number): number[] | undefined {
  const input = inference.inputs[index];
  if (!input) return intsAttribute(inference, "axes");
  const known = knownNumbers(input);
  if (!known) throw misfit("The axes must be constant.");
  return known;
}

/** Product of sizes where all are numbers, with the named ones that are multiplied to it. */
function volume(shape: readonly Dimension[]): { size: number; names: string } | null {
  let size = 1;
  const names: string[] = [];
  for (const dim of shape) {
    if (dim === null) return null;
    if (typeof dim === "number") size *= dim;
    else names.push(dim);
  }
  return { size, names: names.sort().join("*") };
}

function reshaped(inference: Inference): Dimension[] {
  const from = given(inference, 0).shape;
  const zeroCopies = intAttribute(inference, "allowzero", 0) === 0;
  const to = shapeFrom(given(inference, 1)).map((dim, axis) =>
    dim === 0 && zeroCopies ? (from[axis] ?? null) : dim,
  );
  const open = to.indexOf(-1);
  const rest = volume(to.filter((_, axis) => axis !== open));
  const all = volume(from);
  if (open < 0) {
    if (rest && all && rest.names === all.names && rest.size !== all.size)
      throw misfit(`${show(from)} has another number of elements than ${show(to)}.`);
    return to;
  }
  let found: Dimension = null;
  if (rest && all) {
    if (rest.names === all.names) {
      if (rest.size === 0 || all.size % rest.size !== 0)
        throw misfit(`${show(from)} does not divide into ${show(to)}.`);
      found = all.size / rest.size;
    } else if (rest.names === "" && rest.size === all.size && !all.names.includes("*")) found = all.names;
  }
  return to.map((dim, axis) => (axis === open ? found : dim));
}

function sliced(inference: Inference): Inferred {
  const { dtype, shape, known } = given(inference, 0);
  const part = (index: number) => {
    const input = inference.inputs[index];
    return input && knownNumbers(input);
  };
  const [starts, ends] = [part(1), part(2)];
  const axes = inference.inputs[3] ? part(3) : starts?.map((_, axis) => axis);
  const steps = inference.inputs[4] ? part(4) : starts?.map(() => 1);
  if (!axes) throw misfit("The axes of Slice must be constant.");
  let kept = known;
  const out = [...shape];
  axes.forEach((axis, at) => {
    const real = axisOf(axis, shape.length);
    const size = shape[real];
    const [start, end, step] = [starts?.[at], ends?.[at], steps?.[at]];
    if (start === undefined || end === undefined || step === undefined || typeof size !== "number") {
      out[real] = null;
      kept = undefined;
      return;
    }
    const clamp = (value: number, low: number, high: number) =>
      Math.min(Math.max(value < 0 ? value + size : value, low), high);
    const [from, to] =
      step > 0
        ? [clamp(start, 0, size), clamp(end, 0, size)]
        : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
    out[real] = Math.max(0, Math.ceil((to - from) / step));
    kept = kept && step === 1 ? kept.slice(from, to) : undefined;
  });
  return { dtype, shape: out, ...(kept && { known: kept }) };
}

function split(inference: Inference): Inferred[] {
  const { dtype, shape } = given(inference, 0);
  const axis = axisOf(intAttribute(inference, "axis", 0), shape.length);
  const size = shape[axis] ?? null;
  const sizes = inference.inputs[1] ? knownNumbers(inference.inputs[1]) : intsAttribute(inference, "split");
  if (sizes && typeof size === "number" && sumOf(sizes) !== size)
    throw misfit(`The parts of Split add up to ${sumOf(sizes)}, the axis has ${size}.`);
  const chunk = typeof size === "number" ? Math.ceil(size / inference.outputs) : null;
  if (!sizes && chunk !== null && typeof size === "number" && chunk * (inference.outputs - 1) >= size)
    throw misfit(`An axis of ${size} does not split into ${inference.outputs} parts.`);
  return Array.from({ length: inference.outputs }, (_, at) => {
    const even = chunk === null || typeof size !== "number" ? null : Math.min(chunk, size - at * chunk);
    return { dtype, shape: shape.map((dim, index) => (index === axis ? (sizes?.[at] ?? even) : dim)) };
  });
}

function gathered(inference: Inference): Inferred {
  const [data, indices] = [given(inference, 0), given(inference, 1)];
  if (indices.dtype !== "int64" && indices.dtype !== "int32")
    throw misfit(`Indices must be int64 or int32, not ${indices.dtype}; cast them.`);
  const axis = axisOf(intAttribute(inference, "axis", 0), data.shape.length);
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  const at = knownNumbers(indices);
  const known =
    data.known && at && data.shape.length === 1
      ? at.map((index) => data.known?.at(index) ?? null)
      : undefined;
  return { dtype: data.dtype, shape, ...(known && { known }) };
}

export const REARRANGING = {
  Shape: operator({
    domain: "",
    since: 1,
    inputs: ["data"],
    outputs: 1,
    /** Both came with opset 15. */
    attributes: { start: "int", end: "int" },
    infer: (inference) => {
      const { shape } = given(inference, 0);
      // Counted from the end where negative, and clamped to the rank, in ONNX as in JavaScript.
      const known = shape.slice(
        intAttribute(inference, "start", 0),
        intAttribute(inference, "end", shape.length),
      );
      return [{ dtype: "int64", shape: [known.length], known }];
    },
  }),
  Size: operator({
    domain: "",
    since: 1,
    inputs: ["data"],
    outputs: 1,
    attributes: {},
    infer: () => [{ dtype: "int64", shape: [] }],
  }),
  Reshape: operator({
    gradient: reshapeGradient,
    domain: "",
    since: 5,
    inputs: ["data", "shape"],
    outputs: 1,
    attributes: { allowzero: "int" },
    infer: (inference) => [{ dtype: given(inference, 0).dtype, shape: reshaped(inference) }],
  }),
  Transpose: operator({
    gradient: transposeGradient,
    domain: "",
    since: 1,
    inputs: ["data"],
    outputs: 1,
    attributes: { perm: "ints" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const perm = intsAttribute(inference, "perm") ?? shape.map((_, axis) => shape.length - 1 - axis);
      if (perm.toSorted((a, b) => a - b).some((axis, at) => axis !== at) || perm.length !== shape.length)
        throw misfit(`The order [${perm}] is not one of the axes of ${show(shape)}.`);
      return [{ dtype, shape: perm.map((axis) => shape[axis] ?? null) }];
    },
  }),
  Flatten: operator({
    gradient: reshapeGradient,
    domain: "",
    since: 1,
    inputs: ["data"],
    outputs: 1,
    attributes: { axis: "int" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const axis = intAttribute(inference, "axis", 1);
      const at = axis < 0 ? axis + shape.length : axis;
      const fold = (dims: readonly Dimension[]): Dimension => {
        const open = dims.filter((dim) => typeof dim !== "number");
        const size = dims.reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : 1), 1);
        if (open.length === 0) return size;
        return open.length === 1 && size === 1 ? (open[0] ?? null) : null;
      };
      return [{ dtype, shape: [fold(shape.slice(0, at)), fold(shape.slice(at))] }];
    },
  }),
  Concat: operator({
    gradient: concatGradient,
    domain: "",
    since: 4,
    inputs: ["values..."],
    outputs: 1,
    attributes: { axis: "int!" },
    infer: (inference) => {
      const dtype = sameDtype(inference);
      const parts = inference.inputs.flatMap((input) => input ?? []);
      const [first] = parts;
      const rank = first?.shape.length ?? 0;
      const axis = axisOf(intAttribute(inference, "axis", 0), rank);
      const shape = parts.slice(1).reduce<Dimension[]>(
        (joined, part) => {
          if (part.shape.length !== rank) throw misfit("Concat takes tensors of one rank.");
          return joined.map((dim, at) => {
            const other = part.shape[at] ?? null;
            if (at === axis || dim === other || other === null) return dim;
            if (typeof dim === "number" && typeof other === "number")
              throw misfit(`${show(joined)} and ${show(part.shape)} differ off the axis ${axis}.`);
            return typeof dim === "number" ? dim : other;
          });
        },
        [...(first?.shape ?? [])],
      );
      shape[axis] = sumOf(parts.map((part) => part.shape[axis] ?? null));
      const known =
        rank === 1 && parts.every((part) => part.known)
          ? parts.flatMap((part) => part.known ?? [])
          : undefined;
      return [{ dtype, shape, ...(known && { known }) }];
    },
  }),
  Slice: operator({
    gradient: sliceGradient,
    domain: "",
    since: 10,
    inputs: ["data", "starts", "ends", "axes?", "steps?"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [sliced(inference)],
  }),
  Split: operator({
    gradient: splitGradient,
    domain: "",
    since: 2,
    inputs: ["data", "split?"],
    outputs: 64,
    attributes: { axis: "int", num_outputs: "int", split: "ints" },
    inputSince: { split: 13 },
    infer: split,
  }),
  Gather: operator({
    gradient: gatherGradient,
    domain: "",
    since: 1,
    inputs: ["data", "indices"],
    outputs: 1,
    attributes: { axis: "int" },
    infer: (inference) => [gathered(inference)],
  }),
  ScatterElements: operator({
    domain: "",
    since: 11,
    inputs: ["data", "indices", "updates"],
    outputs: 1,
    /** `reduction` came with opset 16. */
    attributes: { axis: "int", reduction: "string" },
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const [indices, updates] = [given(inference, 1), given(inference, 2)];
      if (updates.dtype !== dtype) throw misfit(`Updates of ${updates.dtype} do not fit data of ${dtype}.`);
      if (indices.shape.length !== shape.length || updates.shape.length !== shape.length)
        throw misfit("ScatterElements takes data, indices and updates of one rank.");
      axisOf(intAttribute(inference, "axis", 0), shape.length);
      return [{ dtype, shape }];
    },
  }),
  NonZero: operator({
    domain: "",
    since: 9,
    inputs: ["x"],
    outputs: 1,
    attributes: {},
    infer: (inference) => [{ dtype: "int64", shape: [given(inference, 0).shape.length, null] }],
  }),
  Unsqueeze: operator({
    gradient: reshapeGradient,
    domain: "",
    since: 1,
    inputs: ["data", "axes?"],
    outputs: 1,
    attributes: { axes: "ints" },
    inputSince: { axes: 13 },
    infer: (inference) => {
      const { dtype, shape, known } = given(inference, 0);
      const axes = axesOf(inference, 1) ?? [];
      const rank = shape.length + axes.length;
      const added = new Set(axes.map((axis) => axisOf(axis, rank)));
      const rest = [...shape];
      const out = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.shift() ?? null)));
      return [{ dtype, shape: out, ...(known && { known }) }];
    },
  }),
  Squeeze: operator({
    gradient: reshapeGradient,
    domain: "",
    since: 1,
    inputs: ["data", "axes?"],
    outputs: 1,
    attributes: { axes: "ints" },
    inputSince: { axes: 13 },
    infer: (inference) => {
      const { dtype, shape, known } = given(inference, 0);
      const axes = axesOf(inference, 1)?.map((axis) => axisOf(axis, shape.length));
      for (const axis of axes ?? []) {
        const dim = shape[axis];
        if (typeof dim === "number" && dim !== 1)
          throw misfit(`The axis ${axis} of ${show(shape)} is not of size 1.`);
      }
      const out = shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1));
      return [{ dtype, shape: out, ...(known && { known }) }];
    },
  }),
  Expand: operator({
    gradient: expandGradient,
    domain: "",
    since: 8,
    inputs: ["data", "shape"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      return [{ dtype, shape: broadcast(shape, shapeFrom(given(inference, 1))) }];
    },
  }),
  Tile: operator({
    gradient: tileGradient,
    domain: "",
    since: 6,
    inputs: ["data", "repeats"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const { dtype, shape } = given(inference, 0);
      const repeats = knownInts(given(inference, 1));
      const times = (dim: Dimension, by: Dimension): Dimension =>
        by === 1 ? dim : typeof dim === "number" && typeof by === "number" ? dim * by : null;
      return [{ dtype, shape: shape.map((dim, axis) => times(dim, repeats?.[axis] ?? null)) }];
    },
  }),
  ConstantOfShape: operator({
    domain: "",
    since: 9,
    inputs: ["shape"],
    outputs: 1,
    attributes: { value: "tensor" },
    infer: (inference) => {
      const value = inference.attributes.value as Tensor | undefined;
      return [{ dtype: value?.dtype ?? "float32", shape: shapeFrom(given(inference, 0)) }];
    },
  }),
  Range: operator({
    domain: "",
    since: 11,
    inputs: ["start", "limit", "delta"],
    outputs: 1,
    attributes: {},
    infer: (inference) => {
      const dtype = sameDtype(inference);
      const [start, limit, delta] = inference.inputs.map((input) => input?.known?.[0]);
      let size: Dimension = null;
      if (typeof start === "number" && typeof limit === "number" && typeof delta === "number")
        size = Math.max(0, Math.ceil((limit - start) / delta));
      else if (start === 0 && delta === 1 && limit !== undefined) size = limit;
      return [{ dtype, shape: [size] }];
    },
  }),
} as const;
