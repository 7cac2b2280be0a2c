import { type ImageStep, problem, type Step } from "@modulehub/core";
import type { ModelValue } from "@modulehub/onnx";
import { z } from "zod";
import type { Layout } from "./layout-file.ts";

const size = z.union([
  z.int().transform((side) => ({ height: side, width: side, shortest_edge: undefined })),
  z.looseObject({
    height: z.int().optional(),
    width: z.int().optional(),
    shortest_edge: z.int().optional(),
  }),
]);

/** What is read of a Hugging Face `preprocessor_config.json` (transformers' image processors). */
const schema = z.looseObject({
  image_processor_type: z.string().nullish(),
  feature_extractor_type: z.string().nullish(),
  do_resize: z.boolean().nullish(),
  size: size.nullish(),
  crop_pct: z.number().nullish(),
  do_center_crop: z.boolean().nullish(),
  crop_size: size.nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: z.array(z.number()).nullish(),
  image_std: z.array(z.number()).nullish(),
  resample: z.int().nullish(),
});
type Preprocessor = z.infer<typeof schema>;

/** Pillow's numbers of its filters. */
const FILTERS: readonly ImageStep["interpolation"][] = ["nearest", "lanczos", "bilinear", "bicubic"];

/** ConvNeXt's processor crops only below this side, and stretches from it on. */
const CONVNEXT_STRETCHES_FROM = 384;

/** The step that turns a photo into the tensor that `input` takes. */
export async function imageStep(layout: Layout, input: ModelValue): Promise<Step> {
  const config = await layout.json("preprocessor_config.json", schema);
  if (!config)
    throw problem("manifest-missing", "There is no preprocessor_config.json; write a module.json.");
  const mean = config.do_normalize === false ? undefined : config.image_mean;
  const deviation = config.do_normalize === false ? undefined : config.image_std;
  const interpolation = FILTERS[config.resample ?? 2];
  const image: ImageStep = {
    from: "image",
    ...geometry(config),
    ...(interpolation && { interpolation }),
    scale: config.do_rescale === false ? 1 : (config.rescale_factor ?? 1 / 255),
    ...(mean && { mean }),
    ...(deviation && { deviation }),
    layout: input.shape?.[3] === 3 || input.shape?.[3] === 1 ? "NHWC" : "NCHW",
    as: "pixels",
  };
  if (input.type === "float16" || input.type === "uint8") image.dtype = input.type;
  return { image };
}

function geometry(config: Preprocessor): Pick<ImageStep, "resize" | "crop"> {
  const side = config.size?.shortest_edge;
  const kind = config.image_processor_type ?? config.feature_extractor_type ?? "";
  if (side !== undefined && /^ConvNext/i.test(kind)) {
    if (side >= CONVNEXT_STRETCHES_FROM) return { resize: { width: side, height: side, fit: "fill" } };
    const shorter = Math.trunc(side / (config.crop_pct ?? 224 / 256));
    return { resize: { shorter }, crop: { width: side, height: side } };
  }
  const out: Pick<ImageStep, "resize" | "crop"> = {};
  if (config.do_resize !== false && config.size) {
    const { width, height } = config.size;
    if (side !== undefined) out.resize = { shorter: side };
    else if (width !== undefined && height !== undefined) out.resize = { width, height, fit: "fill" };
    else
      throw problem("asset-invalid", "size in preprocessor_config.json is not known; write a module.json.");
  }
  const { width, height } = config.crop_size ?? {};
  if (config.do_center_crop && width !== undefined && height !== undefined) out.crop = { width, height };
  return out;
}
