import { type ImageStep, type ImageTensor, problem, type Tensor } from "@modulehub/core";
import { decodeImage, type Pixels } from "./decode-image.ts";

/** The most bytes that the pixels of a request may take as a tensor. */
export const MAX_PIXEL_BYTES = 512 * 1024 * 1024;

/** Images of one request that are decoded at a time; each may hold some 200 MB while it is. */
const CONCURRENCY = 2;

/**
 * The image step: encoded files [batch] → a tensor [batch, channels, height, width], or channels last for NHWC.
 * Cut from the centre and padded with black where the image is smaller, as torchvision's CenterCrop does; pixel
 * values v become (v · scale − mean) / deviation. Images that end up of different sizes are refused
 * (`tensor-invalid`); see `decodeImage` for other errors.
 */
export async function imageTensor(step: ImageStep, input: ImageTensor): Promise<Tensor> {
  const channels = step.channels === "gray" ? 1 : 3;
  const tables = valueTables(step, channels);
  const dtype = step.dtype ?? "float32";
  const count = input.data.length;
  let view: View | undefined;
  const put = (pixels: Pixels, item: number) => {
    const { width, height } = step.crop ?? pixels;
    view ??= makeView(step, dtype, count, channels, width, height);
    if (view.width !== width || view.height !== height)
      throw problem(
        "tensor-invalid",
        `${step.from}[${item}] is ${width} × ${height} pixels, others are ${view.width} × ${view.height}; send images of one size, or one at a time.`,
      );
    writePixels(view, item, pixels, step, tables);
  };
  for (let first = 0; first < count; first += CONCURRENCY) {
    const group = input.data.slice(first, first + CONCURRENCY);
    const decoded = await Promise.all(
      group.map((bytes, index) => decodeImage(bytes, step, `${step.from}[${first + index}]`)),
    );
    for (const [index, pixels] of decoded.entries()) put(pixels, first + index);
  }
  view ??= makeView(step, dtype, 0, channels, ...emptySize(step));
  return view.tensor;
}

interface View {
  tensor: Tensor;
  /** The tensor's elements as numbers to assign. */
  elements: Float32Array | Float16Array | Uint8Array;
  channels: number;
  width: number;
  height: number;
  /** Distances between neighbours along each axis, in elements. */
  channelStride: number;
  pixelStride: number;
}

function makeView(
  step: ImageStep,
  dtype: "float32" | "float16" | "uint8",
  count: number,
  channels: number,
  width: number,
  height: number,
): View {
  const planar = (step.layout ?? "NCHW") === "NCHW";
  const shape = planar ? [count, channels, height, width] : [count, height, width, channels];
  const total = count * channels * width * height;
  const size = { float32: 4, float16: 2, uint8: 1 }[dtype];
  if (total * size > MAX_PIXEL_BYTES)
    throw problem(
      "image-too-large",
      `${count} images of ${width} × ${height} pixels are too much at once; send fewer or smaller ones.`,
    );
  const strides = { channelStride: planar ? width * height : 1, pixelStride: planar ? 1 : channels };
  const common = { channels, width, height, ...strides };
  if (dtype === "float32") {
    const data = new Float32Array(total);
    return { tensor: { dtype, shape, data }, elements: data, ...common };
  }
  if (dtype === "uint8") {
    const data = new Uint8Array(total);
    return { tensor: { dtype, shape, data }, elements: data, ...common };
  }
  const data = new Uint16Array(total);
  return { tensor: { dtype, shape, data }, elements: new Float16Array(data.buffer), ...common };
}

/** Width and height where no image tells them. */
function emptySize(step: ImageStep): [number, number] {
  const { crop, resize } = step;
  if (crop) return [crop.width, crop.height];
  return resize && "width" in resize ? [resize.width, resize.height] : [0, 0];
}

/** What each of the 256 values of a channel becomes, a table a channel. */
function valueTables(step: ImageStep, channels: number): Float64Array[] {
  const dtype = step.dtype ?? "float32";
  const scale = step.scale ?? (dtype === "uint8" ? 1 : 1 / 255);
  const perChannel = (values: number[] | undefined, name: string, fallback: number) => {
    if (values && values.length !== 1 && values.length !== channels)
      throw problem("manifest-mismatch", `${name} has ${values.length} values for ${channels} channels.`);
    return (channel: number) => values?.[values.length === 1 ? 0 : channel] ?? fallback;
  };
  const mean = perChannel(step.mean, "mean", 0);
  const deviation = perChannel(step.deviation, "deviation", 1);
  return Array.from({ length: channels }, (_, channel) =>
    Float64Array.from({ length: 256 }, (_, value) => {
      const scaled = (value * scale - mean(channel)) / deviation(channel);
      return dtype === "uint8" ? Math.min(255, Math.max(0, Math.round(scaled))) : scaled;
    }),
  );
}

function writePixels(
  view: View,
  item: number,
  pixels: Pixels,
  step: ImageStep,
  tables: Float64Array[],
): void {
  const { elements, channels, width, height, channelStride, pixelStride } = view;
  const left = cropOffset(pixels.width, width);
  const top = cropOffset(pixels.height, height);
  const start = item * channels * width * height;
  const { data } = pixels;
  const black = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    const row = y + top;
    const rowInside = row >= 0 && row < pixels.height;
    for (let x = 0; x < width; x++) {
      const column = x + left;
      const inside = rowInside && column >= 0 && column < pixels.width;
      const from = inside ? (row * pixels.width + column) * 3 : 0;
      const source: ArrayLike<number> = inside ? data : black;
      const to = start + (y * width + x) * pixelStride;
      if (channels === 1) {
        elements[to] = tables[0]![luma(source[from]!, source[from + 1]!, source[from + 2]!)]!;
        continue;
      }
      for (let channel = 0; channel < 3; channel++) {
        const value = source[from + (step.channels === "BGR" ? 2 - channel : channel)]!;
        elements[to + channel * channelStride] = tables[channel]![value]!;
      }
    }
  }
}

/** ITU-R 601-2 luma in 16-bit fixed point, as Pillow's convert("L"). */
const luma = (red: number, green: number, blue: number): number =>
  (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/**
 * Where a centred cut starts; negative where the image is smaller. torchvision's center_crop: half of the rest,
 * rounded to even; padding rounded down.
 */
function cropOffset(size: number, cropped: number): number {
  const rest = size - cropped;
  if (rest < 0) return -Math.floor(-rest / 2);
  const half = Math.floor(rest / 2);
  return rest % 2 === 0 || half % 2 === 0 ? half : half + 1;
}
