import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageStep, ImageTensor, Tensor } from "@modulehub/core";
import sharp from "sharp";
import { expect, test } from "vitest";
import { decodeImage, MAX_IMAGE_PIXELS } from "./decode-image.ts";
import { imageTensor } from "./image.ts";

interface Case {
  file: string;
  title: string;
  step: Partial<ImageStep>;
  width: number;
  height: number;
  /** RGB bytes, base64. */
  pixels: string;
}

/** What Pillow makes of small files; the version is in `origin`, make-images.py is how it was made. */
const REFERENCE: { files: Record<string, string>; cases: Case[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/images.json"), "utf8"),
);
const file = (name: string) => Buffer.from(REFERENCE.files[name]!, "base64");
const images = (...data: Uint8Array[]): ImageTensor => ({ dtype: "image", shape: [data.length], data });
const step = (rest: Partial<ImageStep> = {}): ImageStep => ({ from: "image", as: "pixels", ...rest });
const numbers = ({ dtype, data }: Tensor): number[] => {
  if (dtype === "float16") return Array.from(new Float16Array(data.buffer, data.byteOffset, data.length));
  if (dtype === "float32" || dtype === "uint8") return Array.from(data);
  throw new Error(`The image step made ${dtype}.`);
};

/** libvips and Pillow round differently where it shrinks; on enlarging and nearest ours is Pillow's arithmetic. */
const tolerance = ({ step: { resize, interpolation } }: Case): number => {
  if (!resize || interpolation === "nearest") return 0;
  return "width" in resize && resize.width > 61 ? 0 : 4;
};

test.each(REFERENCE.cases)("pixels equal Pillow's: $title", async (reference) => {
  const tensor = await imageTensor(
    step({ ...reference.step, layout: "NHWC", dtype: "uint8" }),
    images(file(reference.file)),
  );
  expect(tensor.shape).toEqual([1, reference.height, reference.width, 3]);
  const expected = Buffer.from(reference.pixels, "base64");
  const largest = numbers(tensor).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  );
  expect(largest).toBeLessThanOrEqual(tolerance(reference));
});

/** A picture of given pixels, so that the arithmetic below can be done on paper. */
const png = (width: number, height: number, rgb: number[]) =>
  sharp(Uint8Array.from(rgb), { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();

test("values are scaled, then the mean is taken off and divided by the deviation, channel by channel", async () => {
  const one = await png(1, 1, [255, 51, 0]);
  const normal = step({ mean: [0.5, 0.2, 0.1], deviation: [0.5, 2, 0.1] });
  expect(numbers(await imageTensor(normal, images(one)))).toEqual([1, 0, -1]);
  const plain = await imageTensor(step({ scale: 1, mean: [1] }), images(one));
  expect(numbers(plain)).toEqual([254, 50, -1]);
  expect(numbers(await imageTensor(step({ dtype: "uint8" }), images(one)))).toEqual([255, 51, 0]);
});

test("planes or pixels come first, as the layout says, and channels in their order", async () => {
  const two = await png(2, 1, [1, 2, 3, 4, 5, 6]);
  const raw = { scale: 1 } as const;
  const planar = await imageTensor(step(raw), images(two, two));
  expect(planar.shape).toEqual([2, 3, 1, 2]);
  expect(numbers(planar)).toEqual([1, 4, 2, 5, 3, 6, 1, 4, 2, 5, 3, 6]);
  const interleaved = await imageTensor(step({ ...raw, layout: "NHWC", channels: "BGR" }), images(two));
  expect(interleaved.shape).toEqual([1, 1, 2, 3]);
  expect(numbers(interleaved)).toEqual([3, 2, 1, 6, 5, 4]);
});

test("grey is ITU-R 601 luma", async () => {
  const primary = await png(3, 1, [255, 0, 0, 0, 255, 0, 0, 0, 255]);
  const tensor = await imageTensor(step({ channels: "gray", scale: 1 }), images(primary));
  expect(tensor.shape).toEqual([1, 1, 1, 3]);
  // 0.299, 0.587 and 0.114 of 255, rounded.
  expect(numbers(tensor)).toEqual([76, 150, 29]);
});

test("float16 holds the nearest numbers", async () => {
  const one = await png(1, 1, [255, 51, 0]);
  const tensor = await imageTensor(step({ dtype: "float16" }), images(one));
  expect(tensor.dtype).toBe("float16");
  expect(numbers(tensor)).toEqual([1, Math.f16round(0.2), 0]);
});

test("cover fills the frame and cuts, contain fits inside and pads with the background", async () => {
  const bar = await png(4, 2, new Array(8).fill([10, 20, 30]).flat());
  const frame = { width: 2, height: 2 };
  const common = { scale: 1, layout: "NHWC", background: [1, 2, 3] } satisfies Partial<ImageStep>;
  const cover = await imageTensor(step({ ...common, resize: { ...frame, fit: "cover" } }), images(bar));
  expect(numbers(cover)).toEqual(new Array(4).fill([10, 20, 30]).flat());
  const wide = { width: 4, height: 4, fit: "contain" } as const;
  const contain = await imageTensor(step({ ...common, resize: wide }), images(bar));
  const row = (pixel: number[]) => new Array(4).fill(pixel).flat();
  const inside = [10, 20, 30];
  expect(numbers(contain)).toEqual([...row([1, 2, 3]), ...row(inside), ...row(inside), ...row([1, 2, 3])]);
});

test("images that end up of different sizes can't share a tensor", async () => {
  const small = await png(1, 1, [1, 2, 3]);
  const large = await png(2, 1, [1, 2, 3, 4, 5, 6]);
  await expect(imageTensor(step(), images(small, large))).rejects.toMatchObject({
    code: "tensor-invalid",
    message: expect.stringContaining("image[1]"),
  });
});

test("no images give a tensor without items", async () => {
  const resize = { width: 8, height: 6 };
  expect((await imageTensor(step({ resize }), images())).shape).toEqual([0, 3, 6, 8]);
});

test("means that don't fit the channels are the manifest's fault", async () => {
  await expect(imageTensor(step({ mean: [1, 2] }), images())).rejects.toMatchObject({
    code: "manifest-mismatch",
  });
});

const jpeg = file("jpeg");
test.each([
  ["nothing", new Uint8Array()],
  ["text", new TextEncoder().encode("not a picture")],
  ["GIF", await sharp(file("png")).gif().toBuffer()],
  ["SVG", new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
  ["TIFF", await sharp(file("png")).tiff().toBuffer()],
  ["a JPEG that is cut off", jpeg.subarray(0, jpeg.length / 2)],
  ["a PNG that is cut off", file("png").subarray(0, 600)],
  ["a WebP that is cut off", file("webp").subarray(0, 600)],
  ["only the start of a JPEG", jpeg.subarray(0, 3)],
])("%s is no image", async (_, bytes) => {
  await expect(imageTensor(step(), images(bytes))).rejects.toMatchObject({ code: "image-invalid" });
});

test("a pixel bomb is refused by its header", async () => {
  const side = Math.ceil(Math.sqrt(MAX_IMAGE_PIXELS)) + 1;
  const create = { width: side, height: side, channels: 3, background: "black" } as const;
  const bomb = await sharp({ create }).png({ compressionLevel: 9, palette: true }).toBuffer();
  expect(bomb.length).toBeLessThan(200_000);
  const before = process.memoryUsage.rss();
  await expect(decodeImage(bomb, step(), "image[0]")).rejects.toMatchObject({ code: "image-too-large" });
  expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
});

test("an image so narrow that resizing would blow it up is refused", async () => {
  const line = await png(1, 9000, new Array(27_000).fill(7));
  await expect(imageTensor(step({ resize: { shorter: 4096 } }), images(line))).rejects.toMatchObject({
    code: "image-too-large",
  });
});

test("an image with a side longer than any camera's is refused", async () => {
  const line = await png(70_000, 1, new Array(210_000).fill(7));
  const resize = { width: 8, height: 8 };
  await expect(imageTensor(step({ resize }), images(line))).rejects.toMatchObject({
    code: "image-too-large",
  });
});
