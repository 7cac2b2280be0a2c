import { digestSchema, type FieldError, problem } from "@modulehub/core";
import { z } from "zod";
import { checkPaths, type ListedFile, MAX_FILE_BYTES, MAX_FILES } from "../publish/file-list.ts";

const path = z.string().min(1).max(512);

/** What a commit does to the head's files, one after the other. */
export const operationSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("put"),
    path,
    size: z.int().min(0).max(MAX_FILE_BYTES),
    digest: digestSchema.meta({ type: "string", pattern: "^sha256:[0-9a-f]{64}$" }),
  }),
  z.strictObject({ kind: z.literal("move"), from: path, to: path }),
  z.strictObject({ kind: z.literal("delete"), path }),
  z.strictObject({ kind: z.literal("delete-folder"), path }),
]);
export type Operation = z.infer<typeof operationSchema>;

/** The most operations of a commit: every file deleted, and as many put. */
export const MAX_OPERATIONS = 2 * MAX_FILES;
/** Each is a walk over all files. */
const MAX_FOLDERS = 100;

/** The files by path after some operations. Throws `invalid-request`, naming the operations that can't be done. */
export function applyOperations(
  files: readonly ListedFile[],
  operations: readonly Operation[],
): ListedFile[] {
  const tree = new Map(files.map((file) => [file.path, file]));
  /** The operation that made a path what it is. */
  const made = new Map<string, number>();
  const errors: FieldError[] = [];
  const refuse = (index: number, message: string) => errors.push({ path: `operations[${index}]`, message });
  const put = (index: number, { path, size, digest }: ListedFile) => {
    tree.set(path, { path, size, digest });
    made.set(path, index);
  };
  const remove = (path: string): boolean => {
    made.delete(path);
    return tree.delete(path);
  };
  let folders = 0;
  for (const [index, operation] of operations.entries())
    switch (operation.kind) {
      case "put":
        put(index, operation);
        break;
      case "delete":
        if (!remove(operation.path)) refuse(index, "there is no such file");
        break;
      case "move": {
        const { from, to } = operation;
        const file = tree.get(from);
        if (file === undefined) refuse(index, "there is no such file to move");
        else if (tree.has(to)) refuse(index, "there is a file where it is to be moved");
        else {
          remove(from);
          put(index, { ...file, path: to });
        }
        break;
      }
      case "delete-folder": {
        folders += 1;
        if (folders > MAX_FOLDERS) {
          if (folders === MAX_FOLDERS + 1) refuse(index, `a commit deletes at most ${MAX_FOLDERS} folders`);
          break;
        }
        const prefix = operation.path.endsWith("/") ? operation.path : `${operation.path}/`;
        const inside = [...tree.keys()].filter((each) => each.startsWith(prefix));
        if (inside.length === 0) refuse(index, "there is no such folder");
        for (const each of inside) remove(each);
      }
    }
  if (errors.length > 0)
    throw problem("invalid-request", `The commit can't be made. ${errors[0]!.path}: ${errors[0]!.message}.`, {
      errors: errors.slice(0, 20),
    });
  if (tree.size > MAX_FILES)
    throw problem(
      "invalid-request",
      `The head would have ${tree.size} files; a module has at most ${MAX_FILES}.`,
    );
  const changed = [...made].map(([each, index]) => ({ file: tree.get(each)!, index }));
  checkPaths(
    changed.map(({ file }) => file),
    [...tree.keys()].filter((each) => !made.has(each)),
    (position) => `operations[${changed[position]!.index}]`,
  );
  return [...tree.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The paths that differ between two trees. */
export function changedPaths(before: readonly ListedFile[], after: readonly ListedFile[]): string[] {
  const old = new Map(before.map(({ path, digest }) => [path, digest]));
  const changed = after.filter(({ path, digest }) => old.get(path) !== digest).map(({ path }) => path);
  for (const { path } of after) old.delete(path);
  return [...changed, ...old.keys()];
}
