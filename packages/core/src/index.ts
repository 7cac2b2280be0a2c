export * from "./data-reading.ts";
export * from "./data-report.ts";
export * from "./digest.ts";
export * from "./documentation.ts";
export * from "./dtype.ts";
export * from "./evaluation.ts";
export * from "./field-errors.ts";
export * from "./file-path.ts";
export * from "./float-text.ts";
export * from "./full-store.ts";
export * from "./handle.ts";
export * from "./inspection.ts";
export * from "./jobs/index.ts";
export * from "./manifest.ts";
export * from "./permissions.ts";
export * from "./problem.ts";
export * from "./problem-document.ts";
export * from "./reserved.ts";
export * from "./revision.ts";
export * from "./signature.ts";
export * from "./small-floats.ts";
export {
  type ElementwiseStep,
  type ImageStep,
  type LabelsStep,
  type PoolStep,
  type RunStep,
  type Step,
  stepNames,
  type TokenizeStep,
} from "./steps.ts";
export * from "./task-roles.ts";
export * from "./tensor.ts";
export * from "./tensor-binary.ts";
export * from "./tensor-from-json.ts";
export * from "./tensor-to-json.ts";
export * from "./training-settings.ts";
export * from "./url-path.ts";
export * from "./worker-contract.ts";
