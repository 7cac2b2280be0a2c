/** Left behind by systems and editors. */
const CLUTTER = new Set(["__MACOSX", "Thumbs.db", "desktop.ini"]);

/** Whether a path is none of the data: hidden, or left behind by a system. */
export const isLeftOut = (path: string): boolean =>
  path.split("/").some((segment) => segment.startsWith(".") || CLUTTER.has(segment));
