import { type FolderLock, lockFolder } from "@modulehub/folder-lock";

/**
 * Takes the lock of a data folder, or throws with the holder's process id. The embedded database does not lock its
 * folder itself, and two processes in it destroy rows.
 */
export const lockDataFolder = (folder: string): FolderLock =>
  lockFolder(
    folder,
    (holder) =>
      `The data folder is in use by the hub with process id ${holder}; stop it first, or choose another folder with MODULEHUB_DATA.`,
  );
