import type { ProblemCode, Split } from "@modulehub/core";
import type { ExampleContent } from "./example.ts";

/** A label as the data says it, before it is known which classes there are. */
export type RawLabel =
  | { kind: "class"; name: string }
  | { kind: "labels"; names: string[] }
  | { kind: "number"; value: number };

/** A row of a table or a file of a class, read on its own. */
export type Row =
  | { kind: "example"; id: string; content: ExampleContent; label: RawLabel; split?: Split }
  /** Without text, or with blanks only. */
  | { kind: "empty"; id: string; label?: RawLabel }
  /** A file of an archive that is no example. */
  | { kind: "other" }
  | Fault;

/** What can't be used, and why. */
export interface Fault {
  kind: "fault";
  id: string;
  code: ProblemCode;
  message: string;
  /** Where it is known: its class is there, though it may have no examples. */
  label?: RawLabel;
}

export const fault = (id: string, code: ProblemCode, message: string): Fault => ({
  kind: "fault",
  id,
  code,
  message,
});
