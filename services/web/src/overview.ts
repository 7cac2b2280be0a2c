import { hash } from "node:crypto";
import type { Markup } from "./html.ts";
import { MAX_README, renderMarkdown } from "./markdown.ts";
import { filePath, type ModuleView } from "./module-view.ts";
import { type Card, readReadme } from "./readme.ts";

/** A README as the page shows it. */
export interface Overview {
  card: Card;
  /** Undefined where the README has no text, or there is none. */
  text: Markup | undefined;
  /** Only its beginning is shown. */
  cut: boolean;
}

/** Overviews that are kept, and the characters that they may have in all. */
const KEPT = 200;
const KEPT_CHARACTERS = 10_000_000;

/**
 * The least recently used goes first. A README made to be slow takes up to half a second to draw, during
 * which nobody else is answered: so it is drawn once, not at every visit.
 */
const kept = new Map<string, Overview>();
let characters = 0;

/** Draws a version's README; its relative links and pictures lead to the version's files. */
export function overviewOf(view: Pick<ModuleView, "readme" | "files" | "module" | "version">): Overview {
  const { readme = "", files } = view;
  const paths = files.map(({ path }) => path);
  const key = hash("sha256", JSON.stringify([readme, view.module, view.version, paths]));
  const overview = kept.get(key) ?? draw(readme, view, new Set(paths));
  if (kept.delete(key)) characters -= sizeOf(overview);
  kept.set(key, overview);
  characters += sizeOf(overview);
  for (const [oldest, forgotten] of kept) {
    if (kept.size <= KEPT && characters <= KEPT_CHARACTERS) break;
    kept.delete(oldest);
    characters -= sizeOf(forgotten);
  }
  return overview;
}

const sizeOf = ({ text }: Overview): number => text?.text.length ?? 0;

function draw(readme: string, version: { module: string; version: number }, paths: Set<string>): Overview {
  const { card, body } = readReadme(readme);
  const addressOf = (path: string) => (paths.has(path) ? filePath(version, path) : undefined);
  return {
    card,
    text: body.trim() === "" ? undefined : renderMarkdown(body, { addressOf }),
    cut: body.length > MAX_README,
  };
}
