export {
  type AppendedStep,
  appendSteps,
  type ImageScaling,
  normalizeRows,
  poolTokens,
  prependImageScaling,
} from "./append-steps.ts";
export { murmur3 } from "./build/murmur3.ts";
export { buildTextEmbedding, type TextEmbeddingOptions } from "./build/text-embedding.ts";
export { buildTransformer, type TransformerOptions } from "./build/tiny-transformer.ts";
export { readWordVectors, type WordVectors } from "./build/word-vectors.ts";
export {
  type ByteSource,
  bytesSource,
  descriptorSource,
  type Lazy,
  lazyBytes,
  lazyChunks,
  lazyLength,
  openSource,
  type SourceRange,
} from "./byte-source.ts";
export { type CheckOptions, checkGraphFile, checkModel, type GraphReport } from "./check-model.ts";
export type { ModuleFiles } from "./check-tensors.ts";
export { DECODE_LIMITS, type DecodeLimits, decodeMessage, decodeModel, makeMessage } from "./decode.ts";
export {
  decodeRecords,
  decodeTexts,
  encodeMessage,
  encodeModel,
  encodeRecords,
  modelBytes,
  writeModel,
} from "./encode.ts";
export { withExternalData } from "./external-data.ts";
export { type Finding, findingSentence, firstRefusal } from "./finding.ts";
export type { GraphOptions } from "./graph.ts";
export { GraphBuilder } from "./graph-builder.ts";
export {
  cutOutputs,
  type Joint,
  joinModels,
  opsetOf,
  prune,
  renameValues,
} from "./graph-editor.ts";
export * from "./graph-walk.ts";
export { inferTypes } from "./infer-types.ts";
export {
  type ExternalTensor,
  type ModelSummary,
  type ModelValue,
  readModel,
  summarizeModel,
} from "./model-summary.ts";
export type { Operator } from "./operators/operator.ts";
export { OPERATORS, type OperatorName } from "./operators/table.ts";
export { reduce, squeeze, unsqueeze } from "./portable.ts";
export * from "./schema.ts";
export { EXTERNAL, rawLength, tensorFromProto, tensorShape, tensorToProto } from "./tensor-proto.ts";
export { buildTrainingProgram } from "./training/build-program.ts";
export { differentiate } from "./training/differentiate.ts";
export { dropoutMask } from "./training/dropout.ts";
export { buildHead, type HeadEnds } from "./training/head.ts";
export { initialParameters } from "./training/initialize.ts";
export { RandomSequence } from "./training/philox.ts";
export {
  type Initialization,
  LONE_GROUP,
  type MaskSpec,
  type ParameterSpec,
  type StateSpec,
  type TablePart,
  type TableProgram,
  type TrainingProgram,
  tableParts,
} from "./training/program.ts";
export { learningRateAt } from "./training/schedule.ts";
export { cutAtTables, type TrainableBase, type TrainableTable } from "./training/trainable-base.ts";
export { Value } from "./value.ts";
export { type Dimension, tensorValue, type ValueType, valueType } from "./value-type.ts";
