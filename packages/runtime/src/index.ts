export { checkAssets, loadLabels } from "./assets.ts";
export { checkModule, type ModuleFinding } from "./check-module.ts";
export { COMPILED_PREFIX, type CompileTask, compileTask } from "./compile-task.ts";
export { checkOutputNames } from "./finish.ts";
export { checkInputNames } from "./inputs.ts";
export { type LocalModule, openLocalModule, runModule } from "./local.ts";
export type { CompiledGraph, Module, Prepared, Truncation } from "./module.ts";
export { openModule, readManifest } from "./open-module.ts";
export { planSignature } from "./plan.ts";
export type { OpenSession, Session, SessionOptions, SessionValue } from "./session-contract.ts";
export { areQuickTexts } from "./steps/quick-tokenizer.ts";
export {
  type ComposedModule,
  type Composition,
  composeClassifier,
  type EmbeddingGraph,
  embeddingGraph,
  LABELS_FILE,
} from "./training/compose.ts";
export type {
  CheckpointStore,
  ExampleSet,
  Features,
  Labels,
  TableRows,
  TrainingEvent,
  TrainingResult,
  TrainingRun,
} from "./training/contract.ts";
export { predictLogits } from "./training/evaluate.ts";
export { denseFeatures, featureScaling, openFeatures } from "./training/features.ts";
export { runTraining } from "./training/run-training.ts";
export { Sampler } from "./training/sampler.ts";
export { TableFeatures } from "./training/table-features.ts";
