import { MAX_MANIFEST_BYTES, type Manifest, parseManifest, problem, type Signature } from "@modulehub/core";
import { hasQuickTokenizer, type LoadedTokenizer, loadLabels, loadTokenizer, readBounded } from "./assets.ts";
import { compileGraph } from "./compile.ts";
import { compileTask } from "./compile-task.ts";
import { finishOutputs } from "./finish.ts";
import { MadeOnce } from "./made-once.ts";
import type { CompiledGraph, Module } from "./module.ts";
import { type Plan, planSignature } from "./plan.ts";
import { prepareInputs } from "./prepare.ts";

/**
 * Opens a module's folder: reads its manifest and label files at once, its tokenizers when they are first
 * needed. Throws `manifest-missing`, `manifest-invalid`, `manifest-mismatch`, `asset-invalid`.
 */
export async function openModule(folder: string): Promise<Module> {
  const manifest = await readManifest(folder);
  const plans = new Map<string, { signature: Signature; plan: Plan }>();
  const labels = new Map<string, readonly string[]>();
  for (const [name, signature] of Object.entries(manifest.signatures)) {
    const plan = planSignature(signature);
    plans.set(name, { signature, plan });
    for (const { labels: path } of plan.labels)
      if (!labels.has(path)) labels.set(path, await loadLabels(folder, path));
  }
  const named = (name: string) => {
    const found = plans.get(name);
    if (!found)
      throw problem(
        "signature-unknown",
        `The module has no signature ${name.slice(0, 100)}; it has ${[...plans.keys()].join(", ")}.`,
      );
    return found;
  };
  const taskOf = (name: string) => {
    const { signature, plan } = named(name);
    return compileTask(signature, plan);
  };
  const labelsOf = (path: string): readonly string[] => labels.get(path) ?? [];
  const tokenizers = new MadeOnce<LoadedTokenizer>();
  const compiled = new MadeOnce<CompiledGraph>();
  return {
    manifest,
    folder,
    async prepare(name, inputs) {
      const { signature, plan } = named(name);
      return prepareInputs(signature, plan, inputs, ({ step }) =>
        tokenizers.get(JSON.stringify([step.tokenizer, step.maxLength]), () => loadTokenizer(folder, step)),
      );
    },
    async isQuick(name) {
      const { preparing } = named(name).plan;
      for (const each of preparing)
        if (each.kind !== "tokenize" || !(await hasQuickTokenizer(folder, each.step))) return false;
      return true;
    },
    compileTask: taskOf,
    async compile(name) {
      const task = taskOf(name);
      return compiled.get(name, () => compileGraph(folder, task));
    },
    finish(name, prepared, fetches, outputs, topK) {
      const { signature, plan } = named(name);
      return finishOutputs(signature, plan, labelsOf, prepared, fetches, outputs, topK);
    },
  };
}

/** The manifest of a module's folder. Throws `manifest-missing` and `manifest-invalid`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const bytes = await readBounded(folder, "module.json", MAX_MANIFEST_BYTES);
  if (!bytes) throw problem("manifest-missing", "The folder has no module.json at its root.");
  return parseManifest(bytes);
}
