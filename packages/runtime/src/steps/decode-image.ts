import { type ImageStep, problem } from "@modulehub/core";
import sharp, { type Sharp } from "sharp";
import { resample } from "./resample.ts";

/** The most pixels of an image, before anything is decoded. */
export const MAX_IMAGE_PIXELS = 50_000_000;

/** The longest side of an image in pixels; no JPEG or WebP has a longer one. */
export const MAX_IMAGE_SIDE = 65_535;

/** Seconds that decoding and resizing one image may take. */
const TIME_LIMIT = 20;

/** Pixels of an upright image, RGB, 8 bits a channel, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

// The cache of libvips would hold the memory of past requests.
sharp.cache(false);

const SIGNATURES: readonly { format: string; matches: (bytes: Uint8Array) => boolean }[] = [
  { format: "jpeg", matches: (bytes) => startsWith(bytes, [0xff, 0xd8, 0xff]) },
  { format: "png", matches: (bytes) => startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) },
  {
    format: "webp",
    matches: (bytes) =>
      startsWith(bytes, [0x52, 0x49, 0x46, 0x46]) && startsWith(bytes.subarray(8), [0x57, 0x45, 0x42, 0x50]),
  },
];

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  bytes.length >= prefix.length && prefix.every((byte, index) => bytes[index] === byte);

const KERNELS = {
  bilinear: "linear",
  bicubic: "cubic",
  lanczos: "lanczos3",
} as const satisfies Record<string, string>;

/**
 * Decodes a JPEG, PNG or WebP file, turns it upright by its EXIF orientation, lays transparency over the
 * background, makes it 8-bit RGB (from grey, palette, 16 bits, CMYK; colour profiles are ignored, as in the
 * libraries that models were trained with), and resizes as the step says. `place` names it in errors.
 *
 * Resizing filters over the area that an output pixel covers (antialiasing), as Pillow does.
 *
 * Throws `image-invalid` for what is none of the three, is cut off or corrupt, and `image-too-large`.
 */
export async function decodeImage(bytes: Uint8Array, step: ImageStep, place: string): Promise<Pixels> {
  const format = SIGNATURES.find(({ matches }) => matches(bytes))?.format;
  if (format === undefined)
    throw problem("image-invalid", `${place} is not an image that can be decoded; send JPEG, PNG or WebP.`);
  const open = (): Sharp =>
    sharp(bytes, {
      failOn: "error",
      // Checked below, from the header, so that its error can be told from others.
      limitInputPixels: false,
      sequentialRead: true,
      ignoreIcc: true,
      animated: false,
    });
  try {
    const header = await open().metadata();
    const { width, height } = header.autoOrient;
    if (width * height > MAX_IMAGE_PIXELS || Math.max(width, height) > MAX_IMAGE_SIDE)
      throw problem(
        "image-too-large",
        `${place} has ${width} × ${height} pixels; at most ${MAX_IMAGE_PIXELS / 1e6} million are taken, ${MAX_IMAGE_SIDE} a side.`,
      );
    if (header.format !== format) throw new Error(`The header says ${format}, the decoder ${header.format}.`);
    const background = step.background ?? [255, 255, 255];
    const [r, g, b] = background;
    const upright = open().autoOrient().timeout({ seconds: TIME_LIMIT });
    const image =
      header.space === "cmyk" ? await cmykAsRgb(upright) : upright.flatten({ background: { r, g, b } });
    const target = resizedSize(step.resize, width, height);
    if (!target) return await rgbPixels(image);
    // Enlarging goes through an image of the new width and the old height.
    if (target.width * Math.max(target.height, height) > MAX_IMAGE_PIXELS)
      throw problem(
        "image-too-large",
        `${place} would have ${target.width} × ${target.height} pixels after resizing; send one less narrow.`,
      );
    const resized = await resize(image, { width, height }, target, step.interpolation ?? "bilinear");
    const { frame } = target;
    return frame ? centred(resized, frame.width, frame.height, background) : resized;
  } catch (cause) {
    if (cause instanceof Error && cause.name === "ProblemError") throw cause;
    throw problem("image-invalid", `${place} is a ${format.toUpperCase()} file that is cut off or corrupt.`, {
      cause,
    });
  }
}

interface Size {
  width: number;
  height: number;
}

/**
 * Sides to resize to, and the frame that the result is then centred in. For `shorter` the longer side is
 * rounded down, as torchvision's Resize does.
 */
function resizedSize(
  resize: ImageStep["resize"],
  width: number,
  height: number,
): (Size & { frame?: Size }) | undefined {
  if (resize === undefined) return undefined;
  if ("shorter" in resize) {
    const { shorter } = resize;
    return width <= height
      ? { width: shorter, height: Math.floor((shorter * height) / width) }
      : { width: Math.floor((shorter * width) / height), height: shorter };
  }
  const frame = { width: resize.width, height: resize.height };
  if (resize.fit === undefined || resize.fit === "fill") return frame;
  const choose = resize.fit === "cover" ? Math.max : Math.min;
  const factor = choose(frame.width / width, frame.height / height);
  const scaled = (side: number) => Math.max(1, Math.round(side * factor));
  return { width: scaled(width), height: scaled(height), frame };
}

async function resize(
  image: Sharp,
  from: Size,
  to: Size,
  interpolation: NonNullable<ImageStep["interpolation"]>,
): Promise<Pixels> {
  const { width, height } = to;
  if (width > from.width || height > from.height || interpolation === "nearest")
    return resample(await rgbPixels(image), width, height, interpolation);
  const kernel = KERNELS[interpolation];
  // The JPEG decoder's own halving is a box filter, which the libraries that models were trained with don't use.
  return rgbPixels(image.resize({ width, height, fit: "fill", kernel, fastShrinkOnLoad: false }));
}

/** CMYK as RGB by Pillow's formula (src/libImaging/Convert.c), which knows no profile of inks either. */
async function cmykAsRgb(image: Sharp): Promise<Sharp> {
  const { data, info } = await image
    .pipelineColourspace("cmyk")
    .toColourspace("cmyk")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 4) throw new Error(`Decoding CMYK gave ${channels} channels.`);
  const rgb = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const white = 255 - data[pixel * 4 + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = data[pixel * 4 + channel]! * white + 128;
      rgb[pixel * 3 + channel] = white - (((product >> 8) + product) >> 8);
    }
  }
  return sharp(rgb, { raw: { width, height, channels: 3 } });
}

/** The middle of an image, or the image in the middle of a frame. */
function centred(pixels: Pixels, width: number, height: number, background: readonly number[]): Pixels {
  const data = new Uint8Array(width * height * 3);
  const left = Math.floor((pixels.width - width) / 2);
  const top = Math.floor((pixels.height - height) / 2);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const column = x + left;
      const row = y + top;
      const inside = column >= 0 && column < pixels.width && row >= 0 && row < pixels.height;
      for (let channel = 0; channel < 3; channel++)
        data[(y * width + x) * 3 + channel] = inside
          ? pixels.data[(row * pixels.width + column) * 3 + channel]!
          : background[channel]!;
    }
  return { width, height, data };
}

async function rgbPixels(image: Sharp): Promise<Pixels> {
  const { data, info } = await image
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: asRgb(data, info.channels) };
}

function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  if (channels !== 1) throw new Error(`Decoding gave ${channels} channels.`);
  const rgb = new Uint8Array(data.length * 3);
  for (const [pixel, value] of data.entries()) rgb.fill(value, pixel * 3, pixel * 3 + 3);
  return rgb;
}
