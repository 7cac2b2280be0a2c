// Written by scripts/generate-onnx-schema.ts from onnx.proto of onnx 1.23.2 (IR version 14). Not edited by hand.
import type { Field, Lazy } from "./field.ts";

/** The newest IR version that this table knows. */
export const IR_VERSION = 14;

export interface AttributeProto {
  name?: string;
  refAttrName?: string;
  docString?: string;
  type?: number;
  f?: number;
  i?: bigint;
  s?: Lazy;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  tp?: TypeProto;
  floats: number[];
  ints: bigint[];
  strings: Lazy[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  sparseTensors: SparseTensorProto[];
  typeProtos: TypeProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
  docString?: string;
  metadataProps: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface NodeProto {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute: AttributeProto[];
  docString?: string;
  metadataProps: StringStringEntryProto[];
  deviceConfigurations: NodeDeviceConfigurationProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface IntIntListEntryProto {
  key?: bigint;
  value: bigint[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface NodeDeviceConfigurationProto {
  configurationId?: string;
  shardingSpec: ShardingSpecProto[];
  pipelineStage?: number;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface ShardingSpecProto {
  tensorName?: string;
  device: bigint[];
  indexToDeviceGroupMap: IntIntListEntryProto[];
  shardedDim: ShardedDimProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface ShardedDimProto {
  axis?: bigint;
  simpleSharding: SimpleShardedDimProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface SimpleShardedDimProto {
  dimValue?: bigint;
  dimParam?: string;
  numShards?: bigint;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TrainingInfoProto {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initializationBinding: StringStringEntryProto[];
  updateBinding: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface ModelProto {
  irVersion?: bigint;
  opsetImport: OperatorSetIdProto[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: bigint;
  docString?: string;
  graph?: GraphProto;
  metadataProps: StringStringEntryProto[];
  trainingInfo: TrainingInfoProto[];
  functions: FunctionProto[];
  configuration: DeviceConfigurationProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface DeviceConfigurationProto {
  name?: string;
  numDevices?: number;
  device: string[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface StringStringEntryProto {
  key?: string;
  value?: string;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TensorAnnotation {
  tensorName?: string;
  quantParameterTensorNames: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface GraphProto {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  sparseInitializer: SparseTensorProto[];
  docString?: string;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
  quantizationAnnotation: TensorAnnotation[];
  metadataProps: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TensorProto {
  dims: bigint[];
  dataType?: number;
  segment?: TensorProtoSegment;
  floatData: Lazy[];
  int32Data: Lazy[];
  stringData: Lazy[];
  int64Data: Lazy[];
  name?: string;
  docString?: string;
  rawData?: Lazy;
  externalData: StringStringEntryProto[];
  dataLocation?: number;
  doubleData: Lazy[];
  uint64Data: Lazy[];
  metadataProps: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TensorProtoSegment {
  begin?: bigint;
  end?: bigint;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface SparseTensorProto {
  values?: TensorProto;
  indices?: TensorProto;
  dims: bigint[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TensorShapeProto {
  dim: TensorShapeProtoDimension[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TensorShapeProtoDimension {
  dimValue?: bigint;
  dimParam?: string;
  denotation?: string;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProto {
  tensorType?: TypeProtoTensor;
  sequenceType?: TypeProtoSequence;
  mapType?: TypeProtoMap;
  optionalType?: TypeProtoOptional;
  sparseTensorType?: TypeProtoSparseTensor;
  opaqueType?: TypeProtoOpaque;
  denotation?: string;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoTensor {
  elemType?: number;
  shape?: TensorShapeProto;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoSequence {
  elemType?: TypeProto;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoMap {
  keyType?: number;
  valueType?: TypeProto;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoOptional {
  elemType?: TypeProto;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoSparseTensor {
  elemType?: number;
  shape?: TensorShapeProto;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface TypeProtoOpaque {
  domain?: string;
  name?: string;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface OperatorSetIdProto {
  domain?: string;
  version?: bigint;
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface FunctionProto {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  attributeProto: AttributeProto[];
  node: NodeProto[];
  docString?: string;
  opsetImport: OperatorSetIdProto[];
  domain?: string;
  overload?: string;
  valueInfo: ValueInfoProto[];
  metadataProps: StringStringEntryProto[];
  /** Fields that this table doesn't know, as they were. */
  unknown?: Lazy[];
}

export interface Messages {
  AttributeProto: AttributeProto;
  ValueInfoProto: ValueInfoProto;
  NodeProto: NodeProto;
  IntIntListEntryProto: IntIntListEntryProto;
  NodeDeviceConfigurationProto: NodeDeviceConfigurationProto;
  ShardingSpecProto: ShardingSpecProto;
  ShardedDimProto: ShardedDimProto;
  SimpleShardedDimProto: SimpleShardedDimProto;
  TrainingInfoProto: TrainingInfoProto;
  ModelProto: ModelProto;
  DeviceConfigurationProto: DeviceConfigurationProto;
  StringStringEntryProto: StringStringEntryProto;
  TensorAnnotation: TensorAnnotation;
  GraphProto: GraphProto;
  TensorProto: TensorProto;
  TensorProtoSegment: TensorProtoSegment;
  SparseTensorProto: SparseTensorProto;
  TensorShapeProto: TensorShapeProto;
  TensorShapeProtoDimension: TensorShapeProtoDimension;
  TypeProto: TypeProto;
  TypeProtoTensor: TypeProtoTensor;
  TypeProtoSequence: TypeProtoSequence;
  TypeProtoMap: TypeProtoMap;
  TypeProtoOptional: TypeProtoOptional;
  TypeProtoSparseTensor: TypeProtoSparseTensor;
  TypeProtoOpaque: TypeProtoOpaque;
  OperatorSetIdProto: OperatorSetIdProto;
  FunctionProto: FunctionProto;
}

export type MessageName = keyof Messages;

/** Fields by message, in the order of their numbers, which is the order they are written in. */
export const SCHEMA: { readonly [M in MessageName]: readonly Field[] } = {
  AttributeProto: [
    { id: 1, key: "name", kind: "string" },
    { id: 2, key: "f", kind: "float" },
    { id: 3, key: "i", kind: "int64" },
    { id: 4, key: "s", kind: "bytes" },
    { id: 5, key: "t", kind: "message", of: "TensorProto" },
    { id: 6, key: "g", kind: "message", of: "GraphProto" },
    { id: 7, key: "floats", kind: "float", repeated: true },
    { id: 8, key: "ints", kind: "int64", repeated: true },
    { id: 9, key: "strings", kind: "records", repeated: true },
    { id: 10, key: "tensors", kind: "message", of: "TensorProto", repeated: true },
    { id: 11, key: "graphs", kind: "message", of: "GraphProto", repeated: true },
    { id: 13, key: "docString", kind: "string" },
    { id: 14, key: "tp", kind: "message", of: "TypeProto" },
    { id: 15, key: "typeProtos", kind: "message", of: "TypeProto", repeated: true },
    { id: 20, key: "type", kind: "int32" },
    { id: 21, key: "refAttrName", kind: "string" },
    { id: 22, key: "sparseTensor", kind: "message", of: "SparseTensorProto" },
    { id: 23, key: "sparseTensors", kind: "message", of: "SparseTensorProto", repeated: true },
  ],
  ValueInfoProto: [
    { id: 1, key: "name", kind: "string" },
    { id: 2, key: "type", kind: "message", of: "TypeProto" },
    { id: 3, key: "docString", kind: "string" },
    { id: 4, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
  ],
  NodeProto: [
    { id: 1, key: "input", kind: "string", repeated: true },
    { id: 2, key: "output", kind: "string", repeated: true },
    { id: 3, key: "name", kind: "string" },
    { id: 4, key: "opType", kind: "string" },
    { id: 5, key: "attribute", kind: "message", of: "AttributeProto", repeated: true },
    { id: 6, key: "docString", kind: "string" },
    { id: 7, key: "domain", kind: "string" },
    { id: 8, key: "overload", kind: "string" },
    { id: 9, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
    {
      id: 10,
      key: "deviceConfigurations",
      kind: "message",
      of: "NodeDeviceConfigurationProto",
      repeated: true,
    },
  ],
  IntIntListEntryProto: [
    { id: 1, key: "key", kind: "int64" },
    { id: 2, key: "value", kind: "int64", repeated: true },
  ],
  NodeDeviceConfigurationProto: [
    { id: 1, key: "configurationId", kind: "string" },
    { id: 2, key: "shardingSpec", kind: "message", of: "ShardingSpecProto", repeated: true },
    { id: 3, key: "pipelineStage", kind: "int32" },
  ],
  ShardingSpecProto: [
    { id: 1, key: "tensorName", kind: "string" },
    { id: 2, key: "device", kind: "int64", repeated: true },
    { id: 3, key: "indexToDeviceGroupMap", kind: "message", of: "IntIntListEntryProto", repeated: true },
    { id: 4, key: "shardedDim", kind: "message", of: "ShardedDimProto", repeated: true },
  ],
  ShardedDimProto: [
    { id: 1, key: "axis", kind: "int64" },
    { id: 2, key: "simpleSharding", kind: "message", of: "SimpleShardedDimProto", repeated: true },
  ],
  SimpleShardedDimProto: [
    { id: 1, key: "dimValue", kind: "int64", oneof: "dim" },
    { id: 2, key: "dimParam", kind: "string", oneof: "dim" },
    { id: 3, key: "numShards", kind: "int64" },
  ],
  TrainingInfoProto: [
    { id: 1, key: "initialization", kind: "message", of: "GraphProto" },
    { id: 2, key: "algorithm", kind: "message", of: "GraphProto" },
    { id: 3, key: "initializationBinding", kind: "message", of: "StringStringEntryProto", repeated: true },
    { id: 4, key: "updateBinding", kind: "message", of: "StringStringEntryProto", repeated: true },
  ],
  ModelProto: [
    { id: 1, key: "irVersion", kind: "int64" },
    { id: 2, key: "producerName", kind: "string" },
    { id: 3, key: "producerVersion", kind: "string" },
    { id: 4, key: "domain", kind: "string" },
    { id: 5, key: "modelVersion", kind: "int64" },
    { id: 6, key: "docString", kind: "string" },
    { id: 7, key: "graph", kind: "message", of: "GraphProto" },
    { id: 8, key: "opsetImport", kind: "message", of: "OperatorSetIdProto", repeated: true },
    { id: 14, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
    { id: 20, key: "trainingInfo", kind: "message", of: "TrainingInfoProto", repeated: true },
    { id: 25, key: "functions", kind: "message", of: "FunctionProto", repeated: true },
    { id: 26, key: "configuration", kind: "message", of: "DeviceConfigurationProto", repeated: true },
  ],
  DeviceConfigurationProto: [
    { id: 1, key: "name", kind: "string" },
    { id: 2, key: "numDevices", kind: "int32" },
    { id: 3, key: "device", kind: "string", repeated: true },
  ],
  StringStringEntryProto: [
    { id: 1, key: "key", kind: "string" },
    { id: 2, key: "value", kind: "string" },
  ],
  TensorAnnotation: [
    { id: 1, key: "tensorName", kind: "string" },
    {
      id: 2,
      key: "quantParameterTensorNames",
      kind: "message",
      of: "StringStringEntryProto",
      repeated: true,
    },
  ],
  GraphProto: [
    { id: 1, key: "node", kind: "message", of: "NodeProto", repeated: true },
    { id: 2, key: "name", kind: "string" },
    { id: 5, key: "initializer", kind: "message", of: "TensorProto", repeated: true },
    { id: 10, key: "docString", kind: "string" },
    { id: 11, key: "input", kind: "message", of: "ValueInfoProto", repeated: true },
    { id: 12, key: "output", kind: "message", of: "ValueInfoProto", repeated: true },
    { id: 13, key: "valueInfo", kind: "message", of: "ValueInfoProto", repeated: true },
    { id: 14, key: "quantizationAnnotation", kind: "message", of: "TensorAnnotation", repeated: true },
    { id: 15, key: "sparseInitializer", kind: "message", of: "SparseTensorProto", repeated: true },
    { id: 16, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
  ],
  TensorProto: [
    { id: 1, key: "dims", kind: "int64", repeated: true },
    { id: 2, key: "dataType", kind: "int32" },
    { id: 3, key: "segment", kind: "message", of: "TensorProtoSegment" },
    { id: 4, key: "floatData", kind: "packed32", repeated: true },
    { id: 5, key: "int32Data", kind: "packedVarint", repeated: true },
    { id: 6, key: "stringData", kind: "records", repeated: true },
    { id: 7, key: "int64Data", kind: "packedVarint", repeated: true },
    { id: 8, key: "name", kind: "string" },
    { id: 9, key: "rawData", kind: "bytes" },
    { id: 10, key: "doubleData", kind: "packed64", repeated: true },
    { id: 11, key: "uint64Data", kind: "packedVarint", repeated: true },
    { id: 12, key: "docString", kind: "string" },
    { id: 13, key: "externalData", kind: "message", of: "StringStringEntryProto", repeated: true },
    { id: 14, key: "dataLocation", kind: "int32" },
    { id: 16, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
  ],
  TensorProtoSegment: [
    { id: 1, key: "begin", kind: "int64" },
    { id: 2, key: "end", kind: "int64" },
  ],
  SparseTensorProto: [
    { id: 1, key: "values", kind: "message", of: "TensorProto" },
    { id: 2, key: "indices", kind: "message", of: "TensorProto" },
    { id: 3, key: "dims", kind: "int64", repeated: true },
  ],
  TensorShapeProto: [{ id: 1, key: "dim", kind: "message", of: "TensorShapeProtoDimension", repeated: true }],
  TensorShapeProtoDimension: [
    { id: 1, key: "dimValue", kind: "int64", oneof: "value" },
    { id: 2, key: "dimParam", kind: "string", oneof: "value" },
    { id: 3, key: "denotation", kind: "string" },
  ],
  TypeProto: [
    { id: 1, key: "tensorType", kind: "message", of: "TypeProtoTensor", oneof: "value" },
    { id: 4, key: "sequenceType", kind: "message", of: "TypeProtoSequence", oneof: "value" },
    { id: 5, key: "mapType", kind: "message", of: "TypeProtoMap", oneof: "value" },
    { id: 6, key: "denotation", kind: "string" },
    { id: 7, key: "opaqueType", kind: "message", of: "TypeProtoOpaque", oneof: "value" },
    { id: 8, key: "sparseTensorType", kind: "message", of: "TypeProtoSparseTensor", oneof: "value" },
    { id: 9, key: "optionalType", kind: "message", of: "TypeProtoOptional", oneof: "value" },
  ],
  TypeProtoTensor: [
    { id: 1, key: "elemType", kind: "int32" },
    { id: 2, key: "shape", kind: "message", of: "TensorShapeProto" },
  ],
  TypeProtoSequence: [{ id: 1, key: "elemType", kind: "message", of: "TypeProto" }],
  TypeProtoMap: [
    { id: 1, key: "keyType", kind: "int32" },
    { id: 2, key: "valueType", kind: "message", of: "TypeProto" },
  ],
  TypeProtoOptional: [{ id: 1, key: "elemType", kind: "message", of: "TypeProto" }],
  TypeProtoSparseTensor: [
    { id: 1, key: "elemType", kind: "int32" },
    { id: 2, key: "shape", kind: "message", of: "TensorShapeProto" },
  ],
  TypeProtoOpaque: [
    { id: 1, key: "domain", kind: "string" },
    { id: 2, key: "name", kind: "string" },
  ],
  OperatorSetIdProto: [
    { id: 1, key: "domain", kind: "string" },
    { id: 2, key: "version", kind: "int64" },
  ],
  FunctionProto: [
    { id: 1, key: "name", kind: "string" },
    { id: 4, key: "input", kind: "string", repeated: true },
    { id: 5, key: "output", kind: "string", repeated: true },
    { id: 6, key: "attribute", kind: "string", repeated: true },
    { id: 7, key: "node", kind: "message", of: "NodeProto", repeated: true },
    { id: 8, key: "docString", kind: "string" },
    { id: 9, key: "opsetImport", kind: "message", of: "OperatorSetIdProto", repeated: true },
    { id: 10, key: "domain", kind: "string" },
    { id: 11, key: "attributeProto", kind: "message", of: "AttributeProto", repeated: true },
    { id: 12, key: "valueInfo", kind: "message", of: "ValueInfoProto", repeated: true },
    { id: 13, key: "overload", kind: "string" },
    { id: 14, key: "metadataProps", kind: "message", of: "StringStringEntryProto", repeated: true },
  ],
};
