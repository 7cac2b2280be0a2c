import { problem, type Split } from "@modulehub/core";
import type { ClassFolders, DataLimits, DataSource } from "../example.ts";
import { readEntries } from "./entries.ts";

/** Names of folders and values of columns that stand for splits. */
const SPLIT_NAMES: Readonly<Record<string, Split>> = {
  train: "train",
  training: "train",
  test: "test",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
};

/** The split that a name stands for. */
export const splitOf = (name: string): Split | undefined =>
  Object.hasOwn(SPLIT_NAMES, name.toLowerCase()) ? SPLIT_NAMES[name.toLowerCase()] : undefined;

/** What kind of example a file is, by its name. */
export function fileKind(path: string): "text" | "image" | undefined {
  if (/\.txt$/i.test(path)) return "text";
  return /\.(jpe?g|png|webp)$/i.test(path) ? "image" : undefined;
}

/** The rating of a review of aclImdb: `<id>_<rating>.txt`. */
export const ratingOf = (name: string): string | undefined => /^\d+_(10|[1-9])\.txt$/.exec(name)?.[1];

/** What is known of a folder that holds files of examples. */
interface FolderFiles {
  path: string[];
  files: number;
  rated: number;
}

/** More folders than any number of classes and splits need. */
const MAX_FOLDERS = 100_000;

/** Reads through an archive once to see where its classes lie. Throws `data-layout` where they can't be told. */
export async function findClassFolders(source: DataSource, limits: DataLimits): Promise<ClassFolders> {
  const folders = new Map<string, FolderFiles>();
  const named: string[] = [];
  for await (const { kind, path } of readEntries(source, limits)) {
    if (folders.size + named.length > MAX_FOLDERS)
      throw problem("data-layout", `There are more than ${MAX_FOLDERS} folders.`);
    if (kind === "folder") named.push(path);
    if (kind === "folder" || fileKind(path) === undefined) continue;
    const segments = path.split("/");
    const name = segments.pop() ?? "";
    const key = segments.join("/");
    const folder = folders.get(key) ?? { path: segments, files: 0, rated: 0 };
    folder.files += 1;
    if (ratingOf(name) !== undefined) folder.rated += 1;
    folders.set(key, folder);
  }
  const found = classFolders([...folders.values()]);
  const empty = named.filter((path) => !folders.has(path)).map((path) => placeOf(found, `${path}/-`)?.folder);
  return { ...found, empty: [...new Set(empty.filter((name) => name !== undefined))] };
}

/**
 * Where the classes lie, by the folders that hold texts or images: below folders named as splits, all of which lie in
 * the same folder, or else in the one folder that holds all of them. A folder above others is none of the classes:
 * archives have lists and readmes there.
 */
export function classFolders(folders: readonly FolderFiles[]): Omit<ClassFolders, "empty"> {
  if (folders.length === 0)
    throw problem("data-empty", "There is no text (.txt) and no image (.jpg, .png, .webp) in it.");
  const above = new Set(folders.flatMap(({ path }) => path.map((_, end) => path.slice(0, end).join("/"))));
  const leaves = folders.filter(({ path }) => !above.has(path.join("/")));
  const inSplits = leaves.filter(({ path }) => splitOf(path.at(-2) ?? "") !== undefined);
  if (inSplits.length > 0) {
    const prefix = commonParent(inSplits.map(({ path }) => path.slice(0, -2)));
    const splits = new Map(
      inSplits.flatMap(({ path }) => {
        const name = path.at(-2) ?? "";
        const split = splitOf(name);
        return split === undefined ? [] : [[name, split] as const];
      }),
    );
    return { prefix, splits, ratings: hasRatings(inSplits) };
  }
  if (leaves.some(({ path }) => path.length === 0))
    throw problem(
      "data-layout",
      "The texts or images lie in no folder; put those of a class into a folder of its name.",
    );
  return { prefix: commonParent(leaves.map(({ path }) => path.slice(0, -1))), ratings: hasRatings(leaves) };
}

function commonParent(parents: readonly string[][]): string {
  const [first, other] = new Set(parents.map((path) => path.join("/")));
  if (first === undefined || other !== undefined)
    throw problem(
      "data-layout",
      `Folders with texts or images lie both in ${quoted(first)} and in ${quoted(other)}; put the folders of all classes into one, or into train and test.`,
    );
  return first;
}

const quoted = (path: string | undefined): string =>
  path === undefined || path === "" ? "the root" : JSON.stringify(path.slice(0, 200));

/** Reviews without a label lie in `unsup`; they are named as the others are. */
function hasRatings(folders: readonly FolderFiles[]): boolean {
  const names = new Set(folders.map(({ path }) => path.at(-1)));
  const reviews = folders.filter(({ path }) => path.at(-1) !== "unsup");
  return (
    names.has("pos") &&
    names.has("neg") &&
    names.size === (names.has("unsup") ? 3 : 2) &&
    reviews.every(({ files, rated }) => files === rated)
  );
}

/** Where a file lies; undefined for one that is in no folder of a class. */
export function placeOf(
  { prefix, splits, ratings }: Omit<ClassFolders, "empty">,
  path: string,
): { split?: Split; folder: string; name: string } | undefined {
  const inside =
    prefix === "" ? path : path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : undefined;
  const segments = inside?.split("/") ?? [];
  const name = segments.at(-1) ?? "";
  const folder = segments.at(-2);
  if (folder === undefined || segments.length !== (splits ? 3 : 2)) return undefined;
  // aclImdb's reviews without a label.
  if (ratings && folder === "unsup") return undefined;
  const split = splits?.get(segments[0] ?? "");
  if (splits && split === undefined) return undefined;
  return { ...(split && { split }), folder, name };
}
