/** Whether the hub may have made this name. Others put things into folders and buckets too: file managers, mounts. */
export const isStorageKey = (name: string): boolean => /^[\w-]{4,64}$/.test(name);

/** A storage key, as it is; another name could lead out of a store, and is a bug. */
export function storageKey(name: string): string {
  if (!isStorageKey(name)) throw new TypeError("not a name that the hub makes");
  return name;
}
