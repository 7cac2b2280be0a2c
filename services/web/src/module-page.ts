import { type Evaluations, evaluationTables, hasEvaluations } from "./evaluation-tables.ts";
import { exampleCall } from "./example-call.ts";
import { type Content, html } from "./html.ts";
import { inspectionFindings } from "./inspection-findings.ts";
import { page } from "./layout.ts";
import { comparison, hasLineage, lineage } from "./lineage.ts";
import { moduleFacts } from "./module-facts.ts";
import { filePath, type ModuleView, pagePath, versionPath } from "./module-view.ts";
import { overviewOf } from "./overview.ts";
import { byteSize, count, day, plural } from "./quantity.ts";
import { signatureTables } from "./signature-tables.ts";
import { snippets } from "./snippets.ts";
import { table } from "./table.ts";
import { tryBox } from "./try-box.ts";
import type { Visitor } from "./visitor.ts";

/** Files that the page lists; more are counted, and listed by the API. */
const MAX_FILES = 100;

/** The page of one version: what it is, how it is used, a box to try it, its files and its other versions. */
export function modulePage(view: ModuleView, visitor?: Visitor): string {
  const { card, text, cut } = overviewOf(view);
  const title = card.title ?? view.module.slice(view.module.indexOf("/") + 1);
  return page(
    {
      title: `${title} (${view.module})`,
      description: `${title}: an ONNX module, ${view.manifest.task}.`,
      visitor,
    },
    html`${heading(view, title)}
${notices(view)}
${address(view)}
<div class="columns">
<aside aria-label="Facts">${moduleFacts(view, card)}</aside>
<div class="body">
${section("overview", "Overview", text ? html`<div class="readme">${text}</div>${cut && cutNote(view)}` : html`<p>The publisher has written no overview.</p>`, edited(view))}
${section("try", "Try it", tryBox(view))}
${section("use", "Use it", uses(view))}
${section("signatures", "Inputs and outputs", signatureTables(view.manifest))}
${section("files", "Download", files(view))}
${section("versions", "Versions", versions(view))}
${hasEvaluations(evaluationsOf(view)) && section("evaluation", "Evaluation", evaluationTables(evaluationsOf(view)))}
${hasLineage(view.lineage) && section("lineage", "Lineage", lineage(view.lineage))}
${view.comparison !== undefined && section("comparison", "Beside the version before", comparison(view.comparison))}
${section("inspection", "Inspection", inspectionFindings(view.report))}
</div>
</div>`,
  );
}

const evaluationsOf = ({ lineage: { trainedFrom }, evaluations }: ModuleView): Evaluations => ({
  ...(trainedFrom !== undefined && { trained: trainedFrom.figures }),
  stored: evaluations,
});

const section = (id: string, title: string, content: Content, after: Content = false): Content =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${content}${after}</section>`;

function edited({ documentation: { revision, createdAt, by }, ...view }: ModuleView): Content {
  const history = `${versionPath(view)}/documentation/revisions`;
  return html`<p class="note">Documentation revision ${revision}, ${
    revision === 1 ? "published" : "edited"
  } on <time datetime="${createdAt}">${day(createdAt)}</time>${by !== undefined && html` by ${by}`}. <a href="${history}">History</a></p>`;
}

function heading(view: ModuleView, title: string): Content {
  const { id } = view.publisher;
  const name = view.module.slice(id.length + 1);
  return html`<nav class="path" aria-label="Path"><a href="/">Modules</a> / <a href="${pagePath(id)}">${id}</a> / <span aria-current="page">${name}</span></nav>
<h1><bdi>${title}</bdi>${view.visibility === "private" && html` <span class="badge">private</span>`}</h1>`;
}

function notices(view: ModuleView): Content {
  const { yanked, yankReason, latest, version, module } = view;
  return [
    yanked &&
      html`<p class="warning"><strong>This version was yanked.</strong> ${
        yankReason !== undefined && html`<bdi>${yankReason}</bdi> `
      }It can still be used by its number, and is left out of lists.</p>`,
    latest !== undefined &&
      latest !== version &&
      html`<p class="notice">This is version ${version}. <a href="${pagePath(module, latest)}">Version ${latest}</a> is the latest.</p>`,
  ];
}

function address(view: ModuleView): Content {
  const { url, files } = view;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  return html`<div class="address">
<label for="url">URL of this version</label>
<div class="row"><input id="url" type="text" value="${url}" readonly>
<button type="button" class="primary" id="copy-url" hidden>Copy URL</button>
<a class="button" id="download" href="${versionPath(view)}/archive" download>Download <small>tar.gz, ${byteSize(size)}</small></a></div>
<span id="copy-state" role="status"></span>
</div>`;
}

const cutNote = (view: ModuleView): Content =>
  html`<p class="note">This is the beginning; <a href="${filePath(view, "README.md")}">README.md</a> has all of it.</p>`;

function uses(view: ModuleView): Content {
  const call = exampleCall(view.manifest, view.report);
  if (call === undefined)
    return html`<p>The module has no example that is short enough to be shown. Requests go to <code>POST ${versionPath(view)}/infer</code>, with the inputs below.</p>`;
  const programs = snippets(call, {
    version: view.hub + versionPath(view),
    file: (path) => view.hub + filePath(view, path),
    needsToken: view.visibility === "private",
  });
  return html`<p>${
    call.title !== undefined && html`<bdi>${call.title}</bdi>: `
  }this example ran when version ${view.version} was published, and gave what stands under “Output”.</p>
${code("snippet-curl", "curl", programs.curl)}
${code("snippet-typescript", "TypeScript", programs.typescript)}
${code("snippet-python", "Python", programs.python)}
${code("snippet-output", "Output", programs.output)}
${view.visibility === "private" && html`<p class="note">The module is private: put a token into MODULEHUB_TOKEN.</p>`}`;
}

const code = (id: string, title: string, text: string): Content =>
  html`<div class="snippet"><h3 id="${id}-title">${title}</h3><pre id="${id}" tabindex="0" role="group" aria-labelledby="${id}-title"><code>${text}</code></pre></div>`;

function files(view: ModuleView): Content {
  const all = [...view.files].sort((one, other) => (one.path < other.path ? -1 : 1));
  const size = all.reduce((sum, file) => sum + file.size, 0);
  const rows = all
    .slice(0, MAX_FILES)
    .map((file) => [
      html`<a href="${filePath(view, file.path)}" download><bdi>${file.path}</bdi></a>`,
      file.role,
      byteSize(file.size),
    ]);
  return html`<p>${plural(all.length, "file")}, ${byteSize(size)} in all. With the command line: <code>modulehub download ${view.module}/${view.version} --to FOLDER</code></p>
${table({ caption: "Files", head: ["File", "Role", "Size"], rows, numbers: [2], captionUnseen: true })}
${
  all.length > MAX_FILES &&
  html`<p class="note">${count(all.length - MAX_FILES)} more are listed by <a href="${versionPath(view)}">the API</a>.</p>`
}
<p class="note">Digest: <code class="digest">${view.digest}</code></p>`;
}

function versions(view: ModuleView): Content {
  const rows = view.versions.items.map((row) => [
    row.version === view.version
      ? html`<strong aria-current="page">${row.version}</strong>`
      : html`<a href="${pagePath(view.module, row.version)}">${row.version}</a>`,
    html`<time datetime="${row.publishedAt}">${day(row.publishedAt)}</time>`,
    [row.version === view.latest && "latest", row.yanked === true && html`<span class="badge">yanked</span>`],
    html`<code class="digest">${row.digest.slice(0, 19)}…</code>`,
  ]);
  return html`${table({ caption: "Versions", head: ["Version", "Published", "State", "Digest"], rows, captionUnseen: true })}
${
  view.versions.more &&
  html`<p class="note">Older ones are listed by <a href="${versionPath(view).replace(/\/\d+$/, "")}">the API</a>.</p>`
}`;
}
