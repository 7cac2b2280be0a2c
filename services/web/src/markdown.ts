import MarkdownIt, { type Token } from "markdown-it";
import { escapeHtml, Markup } from "./html.ts";

/** What a README may point at. */
export interface ReadmeFiles {
  /** The address of a file of the version, or undefined where it has none of that path. */
  addressOf(path: string): string | undefined;
}

/** READMEs are shown up to this many characters; the file itself is always whole. */
export const MAX_README = 100_000;
/** Headings of a README stand below those of the page. */
const HEADING_SHIFT = 2;

const markdown = new MarkdownIt({ html: true, linkify: true, maxNesting: 40 });
// Only addresses that say what they are: "readme.md" and "e.g." are no hosts.
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });

// Raw HTML is recognised in order to be left out: tags and comments go, the words between them stay. Both
// kinds of token that could carry it are drawn here, so none reaches the page.
markdown.renderer.rules.html_inline = () => "";
markdown.renderer.rules.html_block = (tokens, index) => {
  const words = tokens[index]!.content.replace(/<!--[\s\S]*?(?:-->|$)/g, " ")
    .replace(/<(script|style)\b[\s\S]*?(?:<\/\1\s*>|$)/gi, " ")
    .replace(/<[^>]*>?/g, " ")
    .trim();
  return words === "" ? "" : `<p>${escapeHtml(words)}</p>\n`;
};
markdown.renderer.rules.table_open = () => '<div class="scroll" tabindex="0"><table>\n';
markdown.renderer.rules.table_close = () => "</table></div>\n";
for (const kind of ["fence", "code_block"] as const)
  markdown.renderer.rules[kind] = (tokens, index) =>
    `<pre tabindex="0"><code>${escapeHtml(tokens[index]!.content)}</code></pre>\n`;

/** Renders a README's Markdown; its links and pictures may lead to the version's own files. */
export function renderMarkdown(source: string, files: ReadmeFiles): Markup {
  const tokens = markdown.parse(source.slice(0, MAX_README), {});
  const anchors = new Set<string>();
  for (const [index, token] of tokens.entries()) {
    if (token.type === "heading_open") {
      const slug = slugOf(tokens[index + 1]?.content ?? "");
      if (slug !== "" && !anchors.has(slug)) token.attrSet("id", `readme-${slug}`);
      anchors.add(slug);
    }
    if (token.type.startsWith("heading_"))
      token.tag = `h${Math.min(6, Number(token.tag[1]) + HEADING_SHIFT)}`;
    // The library aligns cells by a style attribute, which the page's policy refuses.
    const style = String(token.attrGet("style") ?? "");
    if (style !== "")
      token.attrs = [
        ["class", style.includes("right") ? "right" : style.includes("center") ? "center" : "left"],
      ];
    if (token.children !== null) token.children = token.children.map((child) => pointed(child, files));
  }
  return new Markup(markdown.renderer.render(tokens, markdown.options, {}));
}

function pointed(token: Token, files: ReadmeFiles): Token {
  if (token.type === "link_open") {
    const address = linkAddress(String(token.attrGet("href") ?? ""), files);
    token.attrs = address === undefined ? [] : [["href", address]];
    if (address !== undefined && !address.startsWith("#"))
      token.attrSet("rel", "nofollow ugc noopener noreferrer");
    return token;
  }
  if (token.type !== "image") return token;
  const source = String(token.attrGet("src") ?? "");
  const address = ownFile(source, files);
  const words = token.content || "picture";
  if (address !== undefined) {
    token.attrs = [
      ["src", address],
      ["alt", ""],
      ["loading", "lazy"],
    ];
    return token;
  }
  // A picture from elsewhere would tell its host who reads this page; it becomes its words.
  token.type = "text";
  token.content = `[${words}]`;
  token.children = null;
  return token;
}

/** Where a link of a README may lead: the web, an address for mail, a heading, or a file of the version. */
function linkAddress(href: string, files: ReadmeFiles): string | undefined {
  if (/^(https?:\/\/|mailto:)/i.test(href)) return href;
  if (href.startsWith("#")) return `#readme-${slugOf(decoded(href.slice(1)))}`;
  return ownFile(href, files);
}

function ownFile(href: string, files: ReadmeFiles): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(href)) return undefined;
  const path = decoded(href.replace(/[?#].*$/s, "")).replace(/^(\.?\/)+/, "");
  return path === "" ? undefined : files.addressOf(path);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A broken escape names no file and no heading; as it stands it will be found to be none.
    return text;
  }
}

/** A heading as GitHub and Hugging Face make an anchor of it. */
const slugOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-")
    .slice(0, 100);
