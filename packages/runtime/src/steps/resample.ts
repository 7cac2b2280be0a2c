import type { ImageStep } from "@modulehub/core";
import type { Pixels } from "./decode-image.ts";

type Interpolation = NonNullable<ImageStep["interpolation"]>;

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const FILTERS: Record<
  Exclude<Interpolation, "nearest">,
  { support: number; weight: (x: number) => number }
> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Weights are integers of so many fractional bits. */
const PRECISION = 22;

/**
 * Resizes RGB pixels with exactly Pillow's arithmetic (src/libImaging/Resample.c: the filter widened by the
 * scale when shrinking, 22-bit fixed point, rounded to 8 bits between the horizontal and the vertical pass).
 * libvips does the same faster when it shrinks, but its enlarging is half a pixel off.
 */
export function resample(
  pixels: Pixels,
  width: number,
  height: number,
  interpolation: Interpolation = "bilinear",
): Pixels {
  const across = taps(pixels.width, width, interpolation);
  const down = taps(pixels.height, height, interpolation);
  const wide = pass(pixels.data, across, {
    lines: pixels.height,
    lineStride: pixels.width * 3,
    step: 3,
    outLineStride: width * 3,
  });
  // Columns are lines now, a channel each; rows are the steps along them.
  const data = pass(wide, down, { lines: width * 3, lineStride: 1, step: width * 3, outLineStride: 1 });
  return { width, height, data };
}

interface Taps {
  /** First input element of each output element. */
  first: Int32Array;
  /** How many input elements each takes. */
  count: Int32Array;
  /** Their weights, `size` apart. */
  weights: Int32Array;
  size: number;
}

function taps(from: number, to: number, interpolation: Interpolation): Taps {
  const scale = from / to;
  if (interpolation === "nearest") {
    const first = Int32Array.from({ length: to }, (_, i) =>
      Math.min(from - 1, Math.floor((i + 0.5) * scale)),
    );
    const ones = new Int32Array(to).fill(1);
    return { first, count: ones, weights: new Int32Array(to).fill(1 << PRECISION), size: 1 };
  }
  const filter = FILTERS[interpolation];
  const widening = Math.max(scale, 1);
  const support = filter.support * widening;
  const size = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * size);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const exact = Array.from({ length: end - start }, (_, x) =>
      filter.weight((x + start - centre + 0.5) / widening),
    );
    const sum = exact.reduce((a, b) => a + b, 0);
    first[i] = start;
    count[i] = end - start;
    for (const [x, weight] of exact.entries()) {
      const fixed = (weight / sum) * 2 ** PRECISION;
      weights[i * size + x] = Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
    }
  }
  return { first, count, weights, size };
}

/** One direction: a step of 3 filters interleaved RGB along a line, any other step a line of its own. */
function pass(
  source: Uint8Array,
  { first, count, weights, size }: Taps,
  layout: { lines: number; lineStride: number; step: number; outLineStride: number },
): Uint8Array {
  const { lines, lineStride, step, outLineStride } = layout;
  const channels = lineStride === 1 ? 1 : 3;
  const length = first.length;
  const out = new Uint8Array(lines * length * channels);
  for (let line = 0; line < lines; line++)
    for (let i = 0; i < length; i++)
      for (let channel = 0; channel < channels; channel++) {
        let sum = 1 << (PRECISION - 1);
        let at = line * lineStride + first[i]! * step + channel;
        const end = i * size + count[i]!;
        for (let weight = i * size; weight < end; weight++, at += step) sum += source[at]! * weights[weight]!;
        const value = sum >> PRECISION;
        out[line * outLineStride + i * step + channel] = value < 0 ? 0 : value > 255 ? 255 : value;
      }
  return out;
}
