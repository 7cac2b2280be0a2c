import type { Lazy } from "./byte-source.ts";
import type { MessageName } from "./schema.ts";

export type { Lazy };

/**
 * How a field is written and held:
 * - `int64`, `uint64` are bigint; `int32` (enums too), `float`, `double` number; `string` string;
 * - `bytes` are one Lazy;
 * - `packed…` are the elements of a tensor, kept in their wire form: the concatenated payload of the packed field;
 * - `records` are repeated bytes, kept in their wire form too, tags and lengths included: a vocabulary of
 *   400,000 words is one reference instead of 400,000 objects.
 */
export type FieldKind =
  | "int64"
  | "uint64"
  | "int32"
  | "float"
  | "double"
  | "string"
  | "bytes"
  | "packed32"
  | "packed64"
  | "packedVarint"
  | "records"
  | "message";

export interface Field {
  readonly id: number;
  /** Property of the message's interface. */
  readonly key: string;
  readonly kind: FieldKind;
  /** The message in the field, where `kind` is `message`. */
  readonly of?: MessageName;
  readonly repeated?: boolean;
  /** Setting a field clears the others of its group. */
  readonly oneof?: string;
}
