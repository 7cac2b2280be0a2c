/**
 * Writes packages/onnx/src/schema.ts from ONNX's own onnx.proto.
 *
 * Source: the file `onnx/onnx.proto` inside PyPI's `onnx` package (Apache-2.0); the committed table is that of
 * onnx 1.23.2, IR version 14. To refresh it:
 *   pip download --no-deps onnx && unzip onnx-*.whl onnx/onnx.proto
 *   node scripts/generate-onnx-schema.ts onnx/onnx.proto 1.23.2 && biome check --write packages/onnx/src/schema.ts
 */
import { readFileSync, writeFileSync } from "node:fs";

interface Field {
  id: number;
  key: string;
  kind: string;
  of?: string;
  repeated: boolean;
  oneof?: string;
}

const SCALARS: Record<string, string> = {
  int64: "bigint",
  uint64: "bigint",
  int32: "number",
  float: "number",
  double: "number",
  string: "string",
};

const PACKED: Record<string, string> = { float: "packed32", double: "packed64" };

const [path, release] = process.argv.slice(2);
if (!path || !release) throw new Error("usage: generate-onnx-schema.ts path/to/onnx.proto RELEASE");
const source = readFileSync(path, "utf8").replace(/\/\/.*$/gm, "");
const ir = /\bIR_VERSION = (0x[0-9A-F]+);/i.exec(source)?.[1];
if (!ir) throw new Error("IR_VERSION is not in this file");

const messages = new Map<string, Field[]>();
const enums = new Set([...source.matchAll(/\benum (\w+)/g)].map((match) => match[1]));
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Walks the statements of the file with a stack of the blocks that are open. */
const stack: { kind: "message" | "oneof" | "other"; name: string }[] = [];
for (const [, statement = "", end] of source.matchAll(/([^;{}]*)([;{}])/g)) {
  const text = statement.trim().replace(/\s+/g, " ");
  if (end === "}") stack.pop();
  else if (end === "{") {
    const [, kind, name] = /(message|oneof|\w+) ?(\w*)$/.exec(text) ?? [];
    if (kind === "message") {
      const full = stack.map((block) => block.name).join("") + name;
      messages.set(full, []);
      stack.push({ kind, name: name ?? "" });
    } else
      stack.push({ kind: kind === "oneof" ? kind : "other", name: kind === "oneof" ? (name ?? "") : "" });
  } else {
    const match = /^(?:(optional|repeated) )?([\w.]+) (\w+) = (\d+)( \[packed = true\])?$/.exec(text);
    const block = stack.at(-1);
    if (!match || !block || block.kind === "other") continue;
    const owner = stack
      .filter((open) => open.kind === "message")
      .map((open) => open.name)
      .join("");
    const [, label, type = "", name = "", id, packed] = match;
    const repeated = label === "repeated";
    const key = camel(name);
    const field: Field = { id: Number(id), key, kind: type, repeated };
    if (packed) field.kind = PACKED[type] ?? "packedVarint";
    else if (type === "bytes") field.kind = repeated ? "records" : "bytes";
    else if (enums.has(type)) field.kind = "int32";
    else if (!(type in SCALARS)) {
      field.kind = "message";
      field.of = type;
    }
    if (block.kind === "oneof") field.oneof = block.name;
    messages.get(owner)?.push(field);
  }
}

/** A message's own inner messages win over those at the top. */
const resolve = (owner: string, type: string): string => {
  const name = [owner + type, type].find((candidate) => messages.has(candidate));
  if (!name) throw new Error(`unknown message ${type}`);
  return name;
};

const lines = [
  `// Written by scripts/generate-onnx-schema.ts from onnx.proto of onnx ${release} (IR version ${Number(ir)}). Not edited by hand.`,
  `import type { Field, Lazy } from "./field.ts";`,
  "",
  "/** The newest IR version that this table knows. */",
  `export const IR_VERSION = ${Number(ir)};`,
];
for (const [name, fields] of messages) {
  lines.push("", `export interface ${name} {`);
  for (const field of fields) {
    if (field.of) field.of = resolve(name, field.of);
    const lazy =
      field.kind === "bytes" ? "Lazy" : /^(packed|records)/.test(field.kind) ? "Lazy[]" : undefined;
    const element = lazy ?? field.of ?? SCALARS[field.kind];
    lines.push(
      `  ${field.key}${field.repeated ? "" : "?"}: ${element}${field.repeated && !lazy ? "[]" : ""};`,
    );
  }
  lines.push("  /** Fields that this table doesn't know, as they were. */", "  unknown?: Lazy[];", "}");
}
lines.push("", "export interface Messages {");
for (const name of messages.keys()) lines.push(`  ${name}: ${name};`);
lines.push("}", "", "export type MessageName = keyof Messages;", "");
lines.push(
  "/** Fields by message, in the order of their numbers, which is the order they are written in. */",
);
lines.push("export const SCHEMA: { readonly [M in MessageName]: readonly Field[] } = {");
for (const [name, fields] of messages) {
  lines.push(`  ${name}: [`);
  for (const { id, key, kind, of, repeated, oneof } of fields.toSorted((a, b) => a.id - b.id)) {
    const parts = [`id: ${id}`, `key: "${key}"`, `kind: "${kind}"`];
    if (of) parts.push(`of: "${of}"`);
    if (repeated) parts.push("repeated: true");
    if (oneof) parts.push(`oneof: "${oneof}"`);
    lines.push(`    { ${parts.join(", ")} },`);
  }
  lines.push("  ],");
}
lines.push("};", "");
writeFileSync(new URL("../packages/onnx/src/schema.ts", import.meta.url), lines.join("\n"));
