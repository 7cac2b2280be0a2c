import { readFileSync } from "node:fs";
import {
  type ClassificationEvaluation,
  dataReadingSchema,
  figuresOf,
  type InspectionReport,
  type Manifest,
  manifestSchema,
  trainingSettingsSchema,
} from "@modulehub/core";
import { expect, test } from "vitest";
import { ASSETS } from "./assets.ts";
import { frontPage } from "./front-page.ts";
import { PAGE_HEADERS } from "./layout.ts";
import { modulePage } from "./module-page.ts";
import type { ModuleView } from "./module-view.ts";
import { problemPage } from "./problem-page.ts";
import { publisherPage } from "./publisher-page.ts";

const folder = new URL("../../../examples/modules/nnlm-en-dim100/", import.meta.url);
const example = (name: string): string => readFileSync(new URL(name, folder), "utf8");

const report: InspectionReport = {
  runtime: { onnxruntime: "1.23.0", executionProvider: "cpu" },
  graphs: {
    "model.onnx": {
      irVersion: 8,
      opsets: { "": 17 },
      producer: "modulehub",
      nodes: 12,
      parameters: 2_050_000,
      parameterBytes: 2_050_000,
      operators: { StringSplit: 1, Gather: 2 },
      inputs: [],
      outputs: [],
    },
  },
  signatures: { default: { batching: "none", evidence: ["Strings were not joined."] } },
  examples: [
    {
      signature: "default",
      milliseconds: 3,
      outputs: { default: { dtype: "float32", shape: [4, 100], data: [0.25, -1, "NaN", 3, 4, 5] } },
    },
  ],
  load: { milliseconds: 40, peakBytes: 90_000_000 },
};

const digest = `sha256:${"a".repeat(64)}` as ModuleView["files"][number]["digest"];

const nnlm = (changes: Partial<ModuleView> = {}): ModuleView => ({
  module: "modulehub/nnlm-en-dim100",
  publisher: { id: "modulehub", displayName: "Modulehub" },
  version: 2,
  digest,
  url: "http://hub.example/modulehub/nnlm-en-dim100/2",
  hub: "http://hub.example",
  publishedAt: "2026-11-23T10:00:00.000Z",
  documentation: { revision: 2, createdAt: "2026-11-24T09:00:00.000Z", by: "ann" },
  yanked: false,
  visibility: "public",
  latest: 3,
  manifest: manifestSchema.parse(JSON.parse(example("module.json"))),
  report,
  files: [
    { path: "module.json", size: 700, digest, role: "asset" },
    { path: "model.onnx", size: 2_100_000, digest, role: "graph" },
    { path: "README.md", size: 900, digest, role: "doc" },
  ],
  lineage: { handle: "modulehub/nnlm-en-dim100/2", digest, ancestors: [], descendants: [] },
  evaluations: [],
  readme: example("README.md"),
  versions: {
    items: [
      { version: 3, digest, publishedAt: "2026-11-24T10:00:00.000Z" },
      { version: 2, digest, publishedAt: "2026-11-23T10:00:00.000Z" },
      { version: 1, digest, publishedAt: "2026-11-22T10:00:00.000Z", yanked: true },
    ],
    more: false,
  },
  ...changes,
});

/** The text of an element with an id, markup taken away. */
const textOf = (out: string, id: string): string =>
  (new RegExp(`id="${id}"[^>]*>([\\s\\S]*?)</(?:section|pre)>`).exec(out)?.[1] ?? "")
    .replace(/<[^>]*>/g, " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&gt;", ">");

test("the page of a version says what tfhub.dev's pages said", () => {
  const out = modulePage(nnlm());
  const facts = [...out.matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/g)].map(([, term, value]) => [
    term,
    value!.replace(/<[^>]*>/g, ""),
  ]);
  expect(Object.fromEntries(facts)).toMatchObject({
    "Problem domain": "text",
    Publisher: "Modulehub",
    Architecture: "NNLM",
    "Data sets": "wikipedia, gigaword",
    Language: "English",
    License: "pddl-1.0",
    Format: "ONNX, opset 17",
    Size: "2.10 MB",
  });
  expect(out).toContain("<h1><bdi>English text embedding, 100 dimensions</bdi></h1>");
  expect(textOf(out, "overview")).toContain("Splits a text on spaces");
  expect(textOf(out, "overview")).toMatch(/Documentation revision 2, edited on\s+24 November 2026\s+by ann/);
  expect(textOf(out, "signatures").replace(/\s+/g, " ")).toMatch(
    /text string \[batch\].*default float32 \[batch, 100\]/,
  );
  expect(out).toContain('value="http://hub.example/modulehub/nnlm-en-dim100/2" readonly');
  expect(textOf(out, "versions").replace(/\s+/g, " ")).toMatch(
    /3 24 November 2026 latest .* 1 22 November 2026 yanked/,
  );
  expect(out).toContain('<a href="/modulehub/nnlm-en-dim100/3">Version 3</a> is the latest');
});

test("the snippets are the first example that ran, and the output what came out", () => {
  const out = modulePage(nnlm());
  const address = "http://hub.example/v1/modules/modulehub/nnlm-en-dim100/versions/2/infer";
  const texts = '["A long sentence.", "single-word", "http://example.com", ""]';
  for (const id of ["snippet-curl", "snippet-typescript", "snippet-python"]) {
    expect(textOf(out, id), id).toContain(address);
    expect(textOf(out, id), id).toContain(texts);
  }
  expect(textOf(out, "snippet-output").trim()).toBe('default float32 [4,100] [0.25, -1, "NaN", 3]');
});

test("a module without an example that ran says where requests go instead", () => {
  const out = modulePage(nnlm({ report: { ...report, examples: [] } }));
  expect(out).not.toContain("snippet-curl");
  expect(textOf(out, "use")).toContain("/v1/modules/modulehub/nnlm-en-dim100/versions/2/infer");
});

test("a private module's snippets read the token from the environment", () => {
  const out = modulePage(nnlm({ visibility: "private" }));
  expect(textOf(out, "snippet-curl")).toContain('"authorization: Bearer $MODULEHUB_TOKEN"');
  expect(textOf(out, "snippet-typescript")).toContain("process.env.MODULEHUB_TOKEN");
  expect(textOf(out, "snippet-python")).toContain('os.environ["MODULEHUB_TOKEN"]');
});

test("a yanked version says so, with the reason", () => {
  const out = modulePage(nnlm({ yanked: true, yankReason: "Wrong vectors." }));
  expect(out).toContain("<strong>This version was yanked.</strong> <bdi>Wrong vectors.</bdi>");
});

const HOSTILE = `"'><x onload=1></bdi></textarea></script><x>{{7*7}}&`;

/** Every string of a value made hostile, but those that the hub itself makes or checks. */
function poisoned<T>(value: T, keep: ReadonlySet<string>): T {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      typeof inner === "string" && !keep.has(key) ? HOSTILE : inner,
    ),
  );
}

/** What would run, or break out of its place: markup of the page's own is all that may be there. */
function expectHarmless(out: string): void {
  expect(out).not.toContain("<x");
  const tags = out.match(/<[a-z!/][^>]*>/gi) ?? [];
  for (const tag of tags) expect(tag.replace(/"[^"]*"/g, "")).not.toMatch(/\son|style|['"]/i);
  expect(out.match(/<script\b/g)).toHaveLength(1);
  expect(out.match(/<script[^>]*src="\/assets\/page-[0-9a-f]{16}\.js"><\/script>/g)).toHaveLength(1);
}

test("whatever publishers write, pages hold no markup of theirs", () => {
  const checked = new Set([
    "module",
    "id",
    "digest",
    "url",
    "hub",
    "publishedAt",
    "createdAt",
    "visibility",
    "role",
  ]);
  const view = nnlm({ yanked: true, yankReason: HOSTILE });
  const card = ["title", "domain", "architecture", "license", "language", "datasets", "base_model", "tags"]
    .map((name) => `${name}: ${JSON.stringify(HOSTILE)}`)
    .join("\n");
  const signature = {
    description: HOSTILE,
    inputs: { [HOSTILE]: { dtype: "string" as const, shape: ["batch"], description: HOSTILE } },
    outputs: { [HOSTILE]: { dtype: "float32" as const, shape: ["batch"], description: HOSTILE } },
  };
  const manifest: Manifest = {
    schemaVersion: 1,
    task: HOSTILE,
    signatures: { [HOSTILE]: signature },
    examples: [{ title: HOSTILE, signature: HOSTILE, inputs: { [HOSTILE]: [HOSTILE, { file: HOSTILE }] } }],
  };
  const outputs = { [HOSTILE]: { dtype: HOSTILE, shape: [1], data: [HOSTILE] } };
  const evil = poisoned(view, checked);
  expectHarmless(
    modulePage({
      ...evil,
      manifest,
      report: {
        ...evil.report,
        graphs: {
          [HOSTILE]: {
            ...evil.report.graphs["model.onnx"]!,
            opsets: { [HOSTILE]: 1 },
            operators: { [HOSTILE]: 2 },
          },
        },
        signatures: { [HOSTILE]: { batching: "none", evidence: [HOSTILE] } },
        examples: [{ signature: HOSTILE, milliseconds: 1, outputs }],
      },
      readme: `---\n${card}\n---\n# ${HOSTILE}\n\n${HOSTILE}\n\n[${HOSTILE}](${HOSTILE})`,
    }),
  );
  // The text and image forms of the box.
  for (const task of ["text-embedding", "image-classification"]) {
    const dtype = task.startsWith("image") ? "image" : "string";
    const form = {
      ...signature,
      inputs: { text: { dtype: dtype as "string", shape: ["batch"] } },
      outputs: { default: { dtype: "float32" as const, shape: ["batch", 2] } },
    };
    const input = dtype === "image" ? { file: HOSTILE } : HOSTILE;
    expectHarmless(
      modulePage({
        ...evil,
        manifest: {
          ...manifest,
          task,
          signatures: { default: form },
          examples: [{ signature: "default", inputs: { text: [input] } }],
        },
      }),
    );
  }
  const modules = {
    items: [
      {
        module: HOSTILE,
        title: HOSTILE,
        description: HOSTILE,
        license: HOSTILE,
        languages: [HOSTILE],
        visibility: "private" as const,
        latest: { version: 1, task: HOSTILE, publishedAt: view.publishedAt },
      },
    ],
    next: `/?q=${HOSTILE}`,
  };
  const asked = [HOSTILE, HOSTILE];
  const counts = [{ value: HOSTILE, count: 1 }];
  expectHarmless(
    frontPage({
      query: {
        q: HOSTILE,
        task: asked,
        publisher: asked,
        dtype: asked,
        input: asked,
        output: asked,
        license: asked,
        language: asked,
        tag: asked,
        sort: HOSTILE,
      },
      modules,
      values: { task: counts, license: counts, language: counts, dtype: counts, publisher: counts },
    }),
  );
  expectHarmless(publisherPage({ id: HOSTILE, displayName: HOSTILE, createdAt: view.publishedAt, modules }));
  expectHarmless(
    problemPage({
      type: "",
      title: HOSTILE,
      status: 404,
      code: "not-found",
      detail: HOSTILE,
      requestId: HOSTILE,
    }),
  );
});

test("a version with very many files, versions and words stays a page of bounded size", () => {
  const files = Array.from({ length: 50_000 }, (_, index) => ({
    path: `a/${index}`,
    size: 1,
    digest,
    role: "asset" as const,
  }));
  const out = modulePage(nnlm({ files, readme: "word ".repeat(200_000) }));
  expect(out.length).toBeLessThan(400_000);
  expect(out).toContain("49,900 more");
  expect(out).toContain("This is the beginning");
});

test("the policy of pages allows nothing inline, and pages need nothing that it refuses", () => {
  const policy = PAGE_HEADERS["content-security-policy"]!;
  expect(policy).not.toContain("unsafe");
  expect(policy).toMatch(/default-src 'none'; script-src 'self'; style-src 'self';/);
  const out = modulePage(nnlm());
  expect(out).not.toMatch(/<style|<script>|\sstyle=|\son\w+=|https?:\/\/(?!hub\.example|example\.com)/);
  for (const { address } of ASSETS) expect(out).toContain(address);
});

test("a page tells what a version was trained from and what was trained from it, and is silent where there is nothing", () => {
  expect(modulePage(nnlm())).not.toContain('id="lineage"');
  const shares = { precision: 1, recall: 1, f1: 1 };
  const out = modulePage(
    nnlm({
      lineage: {
        handle: "acme/films/1",
        digest,
        trainedFrom: {
          base: { handle: "acme/<base>/2", digest, yanked: true },
          dataSet: {
            digest,
            name: "films <1>",
            reading: dataReadingSchema.parse({ format: "csv" }),
          },
          settings: trainingSettingsSchema.parse({ steps: 1_500, head: { hidden: [16] } }),
          figures: {
            test: {
              target: "class",
              examples: 40,
              examplesDigest: digest,
              accuracy: 0.875,
              logLoss: 0.3,
              ...{ classes: [], macro: shares, micro: shares, confusions: [] },
            },
          },
          at: "2026-11-29T10:00:00.000Z",
        },
        ancestors: [{ handle: "acme/older/1", digest, deleted: true }],
        descendants: [
          { handle: "acme/finer/3", digest, from: "acme/films/1", at: "2026-11-30T10:00:00.000Z" },
          { handle: "acme/finest/1", digest, at: "2026-11-30T11:00:00.000Z" },
        ],
      },
    }),
  );
  const text = textOf(out, "lineage");
  expect(text).toContain("films &lt;1>");
  expect(text).toMatch(/acme\/older\/1\s+deleted/);
  expect(out).toContain('href="/acme/finer/3"');
  expect(text).toMatch(/acme\/finest\/1\s+another\s+30 November 2026/);
  expect(out).not.toContain('href="/acme/older/1"');
});

test("a page tells how well a version does: every split and evaluation, classes and confusions of the test split", () => {
  expect(modulePage(nnlm())).not.toContain('id="evaluation"');
  // 4 of 5 are right; of "good" 2 were said and both are, of 3 that are 2 were said: precision 1, recall 2 ÷ 3, F1 0.8.
  const macro = { precision: 5 / 6, recall: 5 / 6, f1: 0.8 };
  const test: ClassificationEvaluation = {
    target: "class",
    examples: 5,
    examplesDigest: digest,
    accuracy: 0.8,
    logLoss: 0.3,
    classes: [
      { label: "<bad>", support: 2, precision: 2 / 3, recall: 1, f1: 0.8 },
      { label: "good", support: 3, precision: 1, recall: 2 / 3, f1: 0.8 },
    ],
    macro,
    micro: { precision: 0.8, recall: 0.8, f1: 0.8 },
    confusionMatrix: {
      labels: ["<bad>", "good"],
      counts: [
        [2, 0],
        [1, 2],
      ],
    },
    confusions: [{ truth: "good", predicted: "<bad>", count: 1 }],
    mistakes: [],
    correct: "",
  };
  const dataSet = { digest, name: "films", reading: dataReadingSchema.parse({ format: "csv" }) };
  const out = modulePage(
    nnlm({
      lineage: {
        handle: "acme/films/1",
        digest,
        trainedFrom: {
          dataSet,
          settings: trainingSettingsSchema.parse({ steps: 10 }),
          figures: { test: figuresOf(test) },
          at: "2026-11-29T10:00:00.000Z",
        },
        ancestors: [],
        descendants: [],
      },
      evaluations: [
        {
          job: "1",
          publisher: "acme",
          dataSet: { ...dataSet, name: "other <films>" },
          figures: figuresOf({ ...test, accuracy: 0.75, rocAuc: 0.9 }),
          at: "2026-11-30T10:00:00.000Z",
        },
      ],
    }),
  );
  const text = textOf(out, "evaluation").replace(/\s+/g, " ");
  expect(text).toContain("its test split 5 accuracy 0.8000, F1 0.8000");
  expect(text).toContain("other &lt;films> , 30 November 2026 5 accuracy 0.7500, F1 0.8000, ROC-AUC 0.9000");
  expect(text).toContain("good 3 1.0000 0.6667 0.8000");
  expect(text).toContain("&lt;bad> 2 0 good 1 2");
});
