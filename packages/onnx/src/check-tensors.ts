import { posix } from "node:path";
import { DTYPES, dtypeOfCode } from "@modulehub/core/dtype";
import { type ProblemCode, ProblemError } from "@modulehub/core/problem";
import { lazyLength } from "./byte-source.ts";
import { type Findings, quote } from "./finding.ts";
import type { TensorProto } from "./schema.ts";
import { EXTERNAL, rawLength, shapeText, tensorShape, typedField } from "./tensor-proto.ts";

/** Files of the module by path, with their sizes in bytes. Only what is listed may be referred to. */
export type ModuleFiles = ReadonlyMap<string, number>;

const TYPED = ["floatData", "int32Data", "stringData", "int64Data", "doubleData", "uint64Data"] as const;

/** Source: onnx.proto, `external_data`. */
const EXTERNAL_KEYS = new Set(["location", "offset", "length", "checksum"]);

/** Checks that a tensor's data fits its shape, or lies in a file of the module. */
export function checkTensor(
  tensor: TensorProto,
  files: ModuleFiles,
  folder: string,
  findings: Findings,
): void {
  const where = `tensor ${quote(tensor.name)}`;
  const dtype = dtypeOfCode(tensor.dataType ?? 0);
  if (!dtype) {
    findings.refuse(
      "dtype-unsupported",
      where,
      `The tensor has the unknown element type ${tensor.dataType ?? 0}.`,
    );
    return;
  }
  const expected = bytesByShape(tensor, where, findings);
  if (expected === undefined) return;
  const used = TYPED.filter((field) => tensor[field].length > 0);
  const location = tensor.dataLocation ?? 0;
  if (tensor.segment)
    findings.refuse("graph-invalid", where, "The tensor is cut into segments, which no runtime reads.");
  if (location === EXTERNAL) {
    if (tensor.rawData || used.length > 0)
      findings.refuse(
        "graph-invalid",
        where,
        "The tensor has data here and in another file; keep one of them.",
      );
    if (expected === null)
      findings.refuse(
        "external-data-invalid",
        where,
        "Strings can't lie in external data; store them in the graph.",
      );
    else {
      const fault = externalFault(tensor, expected, files, folder);
      if (fault) findings.refuse(fault[0], where, fault[1]);
    }
    return;
  }
  if (location !== 0)
    findings.refuse("graph-invalid", where, `The data location ${location} does not exist.`);
  if (tensor.rawData && used.length > 0)
    findings.refuse(
      "graph-invalid",
      where,
      `The tensor has raw data and ${used.join(", ")}; keep one of them.`,
    );
  else if (tensor.rawData && expected === null)
    findings.refuse("graph-invalid", where, "A tensor of strings can't have raw data.");
  else if (tensor.rawData && tensor.rawData.length !== expected)
    findings.refuse(
      "graph-invalid",
      where,
      `The tensor has ${tensor.rawData.length} bytes of data; its shape needs ${expected}.`,
    );
  else if (!tensor.rawData) checkTyped(tensor, where, findings);
}

/** Bytes of the raw form; null for strings; undefined where the shape is impossible, which is reported. */
function bytesByShape(tensor: TensorProto, where: string, findings: Findings): number | null | undefined {
  try {
    return rawLength(tensor);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    findings.refuse("graph-invalid", where, error.message);
    return undefined;
  }
}

/** The typed fields: lengths of fixed ones exactly; varints have 1 to 10 bytes each; strings 2 at least. */
function checkTyped(tensor: TensorProto, where: string, findings: Findings): void {
  const dtype = dtypeOfCode(tensor.dataType ?? 0);
  if (!dtype) return;
  const field = typedField(dtype);
  const elements = tensorShape(tensor).reduce((a, b) => a * b, 1);
  const { bits } = DTYPES[dtype];
  const count = bits > 0 && bits < 8 ? Math.ceil((elements * bits) / 8) : elements;
  const bytes = lazyLength(tensor[field]);
  const fixed = field === "floatData" || field === "doubleData";
  const [least, most] = fixed
    ? [(count * bits) / 8, (count * bits) / 8]
    : [count * (field === "stringData" ? 2 : 1), field === "stringData" && count > 0 ? Infinity : count * 10];
  const stray = TYPED.find((other) => other !== field && tensor[other].length > 0);
  if (stray) findings.refuse("graph-invalid", where, `A tensor of ${dtype} can't have ${stray}.`);
  else if (bytes < least || bytes > most)
    findings.refuse("graph-invalid", where, `The tensor's data does not fit its shape ${shapeText(tensor)}.`);
}

/** What is wrong with where a tensor's data lies; null if nothing is. */
function externalFault(
  tensor: TensorProto,
  expected: number,
  files: ModuleFiles,
  folder: string,
): [ProblemCode, string] | null {
  const invalid = (detail: string): [ProblemCode, string] => ["external-data-invalid", detail];
  const entries = new Map<string, string>();
  for (const { key = "", value = "" } of tensor.externalData) {
    if (!EXTERNAL_KEYS.has(key)) return invalid(`External data has the unknown key ${quote(key)}.`);
    if (entries.has(key)) return invalid(`External data has the key ${quote(key)} twice.`);
    entries.set(key, value);
  }
  const location = entries.get("location") ?? "";
  if (!isInside(location))
    return invalid(
      `External data lies at ${quote(location)}; it must be a path inside the module, without "..".`,
    );
  const size = files.get(posix.join(folder, location));
  if (size === undefined)
    return ["external-data-missing", `The file ${quote(location)} is not part of the module; add it.`];
  const offset = whole(entries.get("offset"), 0);
  const length = whole(entries.get("length"), expected);
  if (offset === null || length === null)
    return invalid("Offset and length of external data must be whole numbers.");
  if (length !== expected)
    return invalid(`The external data has ${length} bytes; the shape needs ${expected}.`);
  if (offset + length > size)
    return invalid(
      `The external data ends at byte ${offset + length} of ${quote(location)}, which has ${size}.`,
    );
  return null;
}

/**
 * Whether a location stays inside the module on every system. ONNX Runtime takes locations that start with the
 * tag of an address in memory as pointers: those are refused by the character `*`.
 */
function isInside(location: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (location === "" || location.length > 1024 || /[\u0000-\u001f\u007f\\:*?"<>|]/.test(location))
    return false;
  if (location.includes("_ORT_MEM_ADDR_")) return false;
  const segments = location.split("/");
  return segments.at(-1) !== "." && segments.every((segment) => segment !== "" && segment !== "..");
}

/** A whole number in decimal, null for anything else. */
function whole(text: string | undefined, missing: number): number | null {
  if (text === undefined || text === "") return missing;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}
