import { fieldErrors, type Manifest, manifestSchema, problem } from "@modulehub/core";
import type { SourceFile } from "../publish/source-file.ts";
import { deriveImageClassification } from "./image-classification.ts";
import { Layout } from "./layout-file.ts";
import { deriveOnnxFile } from "./onnx-file.ts";
import { deriveTextClassification } from "./text-classification.ts";
import { deriveTextEmbedding } from "./text-embedding.ts";

/** A manifest that nobody wrote. */
export interface DerivedModule {
  manifest: Manifest;
  /** What the files were taken for, in a few words. */
  layout: string;
  /** What was assumed or left out, a sentence each. */
  notes: string[];
  /** Files that the manifest needs besides those that are there. */
  added: SourceFile[];
}

/** Reads one layout; undefined where the files are of another. */
export type Derivation = (layout: Layout) => Promise<DerivedModule | undefined>;

/** The first that knows the files decides; what names its classes is no embedding, and a graph alone comes last. */
const DERIVATIONS: readonly Derivation[] = [
  deriveImageClassification,
  deriveTextClassification,
  deriveTextEmbedding,
  deriveOnnxFile,
];

/**
 * The manifest that a folder without `module.json` means: a Hugging Face layout, or a single graph. Throws
 * `manifest-missing` where nothing is recognised, and the code of what is wrong with a file that was.
 */
export async function deriveModule(files: readonly SourceFile[]): Promise<DerivedModule> {
  const layout = new Layout(files);
  for (const derive of DERIVATIONS) {
    const derived = await derive(layout);
    if (!derived) continue;
    const checked = manifestSchema.safeParse(derived.manifest);
    if (!checked.success)
      throw problem("manifest-invalid", "No module.json can be derived from these names; write one.", {
        errors: fieldErrors(checked.error.issues),
      });
    return derived;
  }
  throw problem(
    "manifest-missing",
    "The folder has no module.json, and is neither in Hugging Face's layout nor holds a single .onnx file; write one.",
  );
}
