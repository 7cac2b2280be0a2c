import { hash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A file that pages need, under an address that changes with its bytes. */
export interface Asset {
  /** Path on the hub, such as `/assets/page-0123456789abcdef.css`. */
  address: string;
  contentType: string;
  bytes: Buffer;
}

function asset(name: string, extension: string, contentType: string): Asset {
  const bytes = readFileSync(new URL(`../assets/${name}.${extension}`, import.meta.url));
  const address = `/assets/${name}-${hash("sha256", bytes).slice(0, 16)}.${extension}`;
  return { address, contentType, bytes };
}

export const STYLE = asset("page", "css", "text/css; charset=utf-8");
export const SCRIPT = asset("page", "js", "text/javascript; charset=utf-8");
export const ICON = asset("icon", "svg", "image/svg+xml");

/** Everything below `/assets/`, for the server that mounts the pages; may be cached for ever. */
export const ASSETS: readonly Asset[] = [STYLE, SCRIPT, ICON];
