import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cutOutputs, decodeModel, modelBytes } from "@modulehub/onnx";
import { type TestModule, testModule } from "./modules.ts";

const EXAMPLES = join(import.meta.dirname, "../../../../examples");
const fileOf = (path: string): Buffer => readFileSync(join(EXAMPLES, path));

/** The feature vector of EfficientNet-Lite0, as the hub's examples have it (examples/modules.json). */
export function photoFeatures(): TestModule {
  const folder = "modules/efficientnet-lite0";
  const whole = decodeModel(fileOf(`${folder}/classification/model.onnx`));
  const manifest = JSON.parse(fileOf(`${folder}/feature-vector/module.json`).toString());
  return testModule(modelBytes(cutOutputs(whole, ["feature_vector"])), manifest, {
    "coffee.jpg": fileOf(`${folder}/feature-vector/coffee.jpg`),
  });
}

/** A photo of the examples. */
export const photo = (name: string): Buffer => fileOf(`photos/${name}`);
