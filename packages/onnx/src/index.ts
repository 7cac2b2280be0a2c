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
export * from "./schema.ts";
