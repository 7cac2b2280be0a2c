import { z } from "zod";
import { fieldErrors } from "./field-errors.ts";
import { isSafeFilePath } from "./file-path.ts";
import { problem } from "./problem.ts";
import { assetPaths, graphPath, type Signature, signatureSchema } from "./signature.ts";
import { tensorName } from "./steps.ts";

/**
 * `module.json`: how a module is used. A published manifest never changes, so this form is only ever added
 * to. What a module is about (title, licence, …) is not here but in the front matter of its README.md.
 */

/** The largest module.json that is read, in bytes. */
export const MAX_MANIFEST_BYTES = 1_048_576;

/** How deep module.json may be nested: a tensor of 32 dimensions in an example, and what stands around it. */
const MAX_DEPTH = 64;
/** Names in one object. A schema's errors, one a name, cost far more than the names themselves. */
const MAX_NAMES = 4096;

const example = z.strictObject({
  title: z.string().max(200).optional(),
  signature: tensorName.default("default"),
  /** As in `infer`; an image may also be `{"file": path}`, a file of the module. */
  inputs: z.record(tensorName, z.json()),
});
export type Example = z.infer<typeof example>;

export const manifestSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    /** What the module is for, such as `text-embedding`; decides which endpoints it has besides `infer`. */
    task: z
      .string()
      .max(64)
      .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "must be lower-case words joined by dashes"),
    signatures: z
      .record(tensorName, signatureSchema)
      .refine((signatures) => Object.keys(signatures).length > 0, "must name at least one signature"),
    examples: z.array(example).max(32).optional(),
  })
  .check((context) => {
    for (const { path, message } of exampleFaults(context.value))
      context.issues.push({ code: "custom", path, message, input: context.value });
  });

/** `module.json` as an object. */
export type Manifest = z.infer<typeof manifestSchema>;

/** What is wrong with examples: each must be a whole call of a signature that there is. */
function exampleFaults(manifest: {
  signatures: Record<string, Signature>;
  examples?: Example[];
}): { path: PropertyKey[]; message: string }[] {
  return (manifest.examples ?? []).flatMap((example, index) => {
    const path = ["examples", index];
    if (!Object.hasOwn(manifest.signatures, example.signature))
      return [{ path: [...path, "signature"], message: "The manifest has no signature of this name." }];
    const inputs = manifest.signatures[example.signature]?.inputs ?? {};
    const unknown = Object.keys(example.inputs)
      .filter((name) => !Object.hasOwn(inputs, name))
      .map((name) => ({ path: [...path, "inputs", name], message: "The signature has no such input." }));
    const missing = Object.keys(inputs)
      .filter((name) => !Object.hasOwn(example.inputs, name))
      .map((name) => ({ path: [...path, "inputs", name], message: "The example lacks this input." }));
    const files = Object.entries(example.inputs).flatMap(([name, value]) =>
      exampleFiles(value)
        .filter((file) => !isSafeFilePath(file))
        .map(() => ({
          path: [...path, "inputs", name],
          message: "file must be a relative path inside the module",
        })),
    );
    return [...unknown, ...missing, ...files];
  });
}

/** Every file that a manifest uses: graphs, assets of steps, files of examples, and `module.json` itself. */
export function manifestPaths(manifest: Manifest): Set<string> {
  const paths = new Set(["module.json"]);
  for (const signature of Object.values(manifest.signatures)) {
    paths.add(graphPath(signature));
    for (const path of assetPaths(signature)) paths.add(path);
  }
  for (const example of manifest.examples ?? [])
    for (const value of Object.values(example.inputs))
      for (const path of exampleFiles(value)) paths.add(path);
  return paths;
}

/** The files that an example's input names as `{"file": path}`, alone, in lists or as `data` of a tensor. */
function exampleFiles(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(exampleFiles);
  if (typeof value !== "object" || value === null) return [];
  if (Object.hasOwn(value, "file") && "file" in value && typeof value.file === "string") return [value.file];
  return Object.hasOwn(value, "data") && "data" in value ? exampleFiles(value.data) : [];
}

/**
 * Reads the bytes of a `module.json`. Throws `manifest-invalid` with the faults and their places: too many
 * bytes, bytes that are not UTF-8 or JSON, JSON that other programs could not keep (see `jsonFault`), or a
 * form that the schema does not know.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.byteLength > MAX_MANIFEST_BYTES)
    throw problem("manifest-invalid", `module.json has more than ${MAX_MANIFEST_BYTES} bytes.`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw problem("manifest-invalid", "module.json is not JSON in UTF-8.", { cause });
  }
  const fault = jsonFault(value);
  if (fault) throw problem("manifest-invalid", fault);
  const result = manifestSchema.safeParse(value);
  if (!result.success)
    throw problem("manifest-invalid", "module.json does not fit the schema of manifests.", {
      errors: fieldErrors(result.error.issues),
    });
  return result.data;
}

/**
 * Why JSON can't be a manifest whatever it says: nesting that would exhaust a stack, objects of
 * very many names, the key `__proto__`, and
 * strings that PostgreSQL's jsonb and UTF-8 can't hold. Walks without recursion.
 */
function jsonFault(root: unknown): string | undefined {
  const pending: { parent: object; depth: number }[] = [];
  /** A fault of a string; lists and objects are left for later. */
  const visit = (value: unknown, depth: number): string | undefined => {
    if (typeof value === "string" && !isStorable(value)) return STRING_FAULT;
    if (typeof value === "object" && value !== null) pending.push({ parent: value, depth });
    return undefined;
  };
  let fault = visit(root, 1);
  for (let next = pending.pop(); next && !fault; next = pending.pop()) {
    const { parent, depth } = next;
    if (depth > MAX_DEPTH) return `module.json is nested more than ${MAX_DEPTH} deep.`;
    if (Array.isArray(parent)) for (const value of parent) fault ??= visit(value, depth + 1);
    else {
      const entries = Object.entries(parent);
      if (entries.length > MAX_NAMES) return `module.json has an object of more than ${MAX_NAMES} names.`;
      for (const [key, value] of entries) {
        if (key === "__proto__") return "module.json holds the key __proto__; rename it.";
        fault ??= isStorable(key) ? visit(value, depth + 1) : STRING_FAULT;
      }
    }
  }
  return fault;
}

const STRING_FAULT = "module.json holds a NUL character or half of a surrogate pair in a string.";
const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();
