import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, digestOfHex, manifestSchema, type ProblemCode, versionContent } from "@modulehub/core";

/**
 * How sending a file goes wrong: the connection drops, or nothing more comes, after so many bytes; other bytes come;
 * ranges are ignored.
 */
export type FileFault =
  | "none"
  | { dropAfter?: number; stallAfter?: number; bytes?: Buffer }
  | "without-ranges"
  | "without-length"
  | ProblemCode;

/** A version that the double serves, honest unless a test changes it. */
export interface ServedVersion {
  handle: string;
  module: string;
  version: number;
  digest: string;
  files: { path: string; size: number; digest: string; content: Buffer }[];
  pageSize: number;
  yanked?: { reason: string; at: string };
  /** Called at each request for a file, with how often it was asked for before. */
  fault: (path: string, attempt: number) => FileFault;
  attempts: Map<string, number>;
}

const sha256 = (bytes: Buffer | string): Digest =>
  digestOfHex(createHash("sha256").update(bytes).digest("hex"));

/** A version of these files, with the digest that they have by the contract. */
export function servedVersion(
  module: string,
  version: number,
  contents: Record<string, Buffer | string>,
): ServedVersion {
  const files = Object.entries(contents)
    .map(([path, text]) => ({ path, content: Buffer.from(text) }))
    .map(({ path, content }) => ({ path, size: content.length, digest: sha256(content), content }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const manifest = manifestSchema.parse(JSON.parse(String(contents["module.json"])));
  const content = versionContent(files, manifest);
  return {
    handle: `${module}/${version}`,
    module,
    version,
    digest: sha256(content),
    files,
    pageSize: 1000,
    fault: () => "none",
    attempts: new Map(),
  };
}

/** A page of resolve; the cursor is the index of its first file. */
export function servedPage(served: ServedVersion, url: string, cursor: string | null): object {
  const { handle, module, version, digest, files, pageSize, yanked } = served;
  const start = Number(cursor ?? 0);
  const next = start + pageSize;
  return {
    handle,
    module,
    version,
    digest,
    url: `${url}/${handle}`,
    ...(yanked && { yanked }),
    files: files.slice(start, next).map((file, index) => ({
      path: file.path,
      size: file.size,
      digest: file.digest,
      url: `${url}/files/${encodeURIComponent(handle)}/${start + index}`,
    })),
    ...(next < files.length && { next: String(next) }),
  };
}

/** Sends a file as its fault says, or tells the refusal. `sent` is told of bytes as they leave. */
export function servedFile(
  versions: ReadonlyMap<string, ServedVersion>,
  request: IncomingMessage,
  response: ServerResponse,
  sent: (path: string, bytes: number) => void,
): ProblemCode | undefined {
  const [, , handle = "", index = ""] = (request.url ?? "").split("/");
  const version = [...versions.values()].find((one) => one.handle === decodeURIComponent(handle));
  const file = version?.files[Number(index)];
  if (!version || !file) return "file-not-found";
  const attempt = version.attempts.get(file.path) ?? 0;
  version.attempts.set(file.path, attempt + 1);
  const fault = version.fault(file.path, attempt);
  const plain = fault === "none" || fault === "without-ranges" || fault === "without-length";
  if (!plain && typeof fault === "string") return fault;
  const whole = (typeof fault === "object" && fault.bytes) || file.content;
  const range = fault === "without-ranges" ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  const body = whole.subarray(start);
  const headers = {
    ...(fault !== "without-length" && { "content-length": body.length }),
    ...(range && { "content-range": `bytes ${start}-${whole.length - 1}/${whole.length}` }),
  };
  response.writeHead(range ? 206 : 200, headers);
  const cut = typeof fault === "object" ? (fault.dropAfter ?? fault.stallAfter) : undefined;
  if (typeof fault === "object" && cut !== undefined) {
    const part = body.subarray(0, cut);
    sent(file.path, part.length);
    response.write(part, () => {
      if (fault.dropAfter !== undefined) setTimeout(() => response.destroy(), 20);
    });
    return undefined;
  }
  sent(file.path, body.length);
  response.end(body);
  return undefined;
}
