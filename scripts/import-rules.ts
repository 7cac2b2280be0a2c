/**
 * Who may import what (docs/architecture.md, "Boundaries"). Each rule names files, and the packages that
 * only these files, or never these files, may import. `scripts/check-imports.ts` applies them.
 */
export interface ImportRule {
  /** What the rule protects, printed when it is broken. */
  reason: string;
  /** The import's package (or a relative path from the repository's root) the rule is about. */
  imports: RegExp;
  /** Files (paths from the root) that may; all others may not. */
  onlyFrom?: RegExp;
  /** Files that may not. */
  neverFrom?: RegExp;
}

/** Tests, benches and scripts measure and build; they are no part of what runs. */
export const EXEMPT = /\.test\.tsx?$|^test\/|^bench\/|^scripts\/|(^|\/)test-|vitest\.config/;

export const IMPORT_RULES: ImportRule[] = [
  {
    reason: "core is the vocabulary: it imports zod and the RFC 8785 library only, and nothing of Node",
    imports: /^(?!(zod|canonicalize)$)[^.]/,
    neverFrom: /^packages\/core\//,
  },
  {
    reason: "onnx works on graphs without a runtime: it imports core and Node only",
    imports: /^(?!(node:|@modulehub\/core($|\/)))[^.]/,
    neverFrom: /^packages\/onnx\//,
  },
  {
    reason: "data sets are read with core and parsers of their forms only",
    imports: /^(?!(node:|(@modulehub\/core|csv-parse|tar-stream|yauzl)($|\/)))[^.]/,
    neverFrom: /^packages\/dataset\//,
  },
  {
    reason: "ONNX Runtime is imported by the session file alone, so that no other process ever loads it",
    imports: /^onnxruntime-/,
    onlyFrom: /^packages\/runtime\/src\/session\.ts$/,
  },
  {
    reason: "sessions are opened in engine processes, never in the services themselves",
    imports: /^@modulehub\/runtime\/session$/,
    onlyFrom:
      /^services\/worker\/src\/engines\/engine-child\.ts$|^services\/worker\/src\/inspection\/inspect-module\.ts$|^services\/worker\/src\/training\/child\/|^examples\/|^packages\/client\//,
  },
  {
    reason: "the AWS SDK belongs to the S3 blob store",
    imports: /^@aws-sdk\//,
    onlyFrom: /^services\/api\/src\/blobs\/s3/,
  },
  {
    reason: "the database driver belongs to database/",
    imports: /^(pg|@electric-sql\/pglite|pglite-prisma-adapter|@prisma\/adapter-pg)(\/|$)/,
    onlyFrom: /^services\/api\/src\/(database|jobs)\//,
  },
  {
    reason: "the API never loads the runtime and never parses graphs",
    imports: /^@modulehub\/(runtime|onnx|worker|client|cli)/,
    neverFrom: /^services\/api\//,
  },
  {
    reason: "pages are drawn from what they are given: they import core, and libraries for Markdown and YAML",
    imports: /^(?!(node:|@modulehub\/core$|markdown-it$|yaml$|zod$))[^.]/,
    neverFrom: /^services\/web\//,
  },
  {
    reason: "a worker has no database, and meets the API only in core",
    imports: /^@modulehub\/(api|client|cli)|^@prisma\/|^pg(-boss)?$/,
    neverFrom: /^services\/worker\//,
  },
  {
    reason: "the command line reaches the hub through the client; it starts services as processes",
    imports: /^@modulehub\/(api|worker|runtime)/,
    neverFrom: /^packages\/cli\//,
  },
  {
    reason: "the client stands alone: it knows the hub by its protocol",
    imports: /^@modulehub\/(api|worker|cli)/,
    neverFrom: /^packages\/client\//,
  },
];
