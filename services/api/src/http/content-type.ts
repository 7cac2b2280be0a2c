import { extname } from "node:path";

const TYPES: Record<string, string> = {
  ".json": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".csv": "text/csv; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".htm": "text/html; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".pdf": "application/pdf",
  ".wav": "audio/wav",
};

/** The content type of a file, by its name alone: what publishers send is never sniffed. */
export const contentTypeOf = (path: string): string =>
  TYPES[extname(path).toLowerCase()] ?? "application/octet-stream";

/** Whether a browser would run scripts in it: such files are only ever saved. */
export const isActiveContent = (path: string): boolean =>
  [".html", ".htm", ".xhtml", ".svg", ".xml", ".xsl", ".pdf"].includes(extname(path).toLowerCase());
