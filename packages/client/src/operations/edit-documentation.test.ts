import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type Digest, digestOfHex, problem } from "@modulehub/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub } from "../index.ts";

/** What a hub answers about documentation, and to uploads in one part; it keeps what it was sent. */
class DocumentationHub {
  revision = 3;
  blobs = new Map<string, string>();
  edits: { base: number; files: { path: string; digest: Digest }[]; message?: string }[] = [];
  /** Answers to the next edits, before they are looked at. */
  faults: ("documentation-conflict" | "database-unavailable")[] = [];
  uploads = 0;
  readonly #sent = new Map<string, Buffer>();
  readonly #server: Server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const [status, answer] = this.#answer(request.method ?? "", request.url ?? "", body);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(method: string, url: string, body: Buffer): [number, unknown] {
    const version = "/v1/modules/acme/words/versions/2";
    if (method === "GET" && url === version) return [200, VERSION];
    if (method === "GET" && url === `${version}/documentation`) return [200, this.#documentation([])];
    if (method === "PUT" && url === `${version}/documentation`)
      return this.#edit(JSON.parse(body.toString()));
    const known = /^\/v1\/uploads\/(\d+)(?:\?from=\d+)?$/.exec(url)?.[1];
    if (url === "/v1/uploads" || known !== undefined) {
      if (known === undefined) this.uploads += 1;
      const id = known ?? String(this.uploads);
      return [201, this.#upload(id, "open")];
    }
    const [, id = "", complete] = /^\/v1\/uploads\/(\d+)\/(?:parts\/1|(complete))$/.exec(url) ?? [];
    if (complete) this.blobs.set(JSON.parse(body.toString()).digest, String(this.#sent.get(id)));
    else this.#sent.set(id, body);
    return [200, this.#upload(id, complete ? "stored" : "open")];
  }

  #upload(id: string, state: "open" | "stored") {
    const parts = [{ n: 1, url: `/v1/uploads/${id}/parts/1` }];
    return { id, state, partSize: 1 << 20, parts, received: this.#sent.has(id) ? [1] : [] };
  }

  #edit(edit: (typeof this.edits)[number]): [number, unknown] {
    this.edits.push(edit);
    const fault = this.faults.shift();
    if (fault !== undefined) return refusal(problem(fault, undefined, { retryAfter: 0 }));
    const missing = edit.files.filter(({ digest }) => !this.blobs.has(digest));
    if (missing.length > 0) {
      const errors = missing.map(({ path, digest }) => ({ path, message: `${digest} is missing` }));
      return refusal(problem("blobs-missing", undefined, { errors }));
    }
    this.revision += 1;
    return [201, this.#documentation(edit.files)];
  }

  #documentation(files: { path: string; digest: Digest }[]) {
    const card = { languages: [], datasets: [], baseModels: [], tags: [] };
    return {
      module: "acme/words",
      version: 2,
      revision: this.revision,
      current: this.revision,
      createdAt: "2026-11-23T10:00:00.000Z",
      card,
      files: files.map((file) => ({ size: 1, ...file, url: "http://hub.example/f" })),
    };
  }
}

const refusal = (error: ReturnType<typeof problem>): [number, unknown] => [error.status, error.toDocument()];

const MANIFEST = {
  schemaVersion: 1,
  task: "text-classification",
  signatures: {
    default: {
      inputs: { text: { dtype: "string", shape: ["batch"] } },
      outputs: { "top.labels": { dtype: "string", shape: ["batch", 2] } },
      steps: [
        { run: { graph: "model.onnx", inputs: { text: "text" }, outputs: { scores: "scores" } } },
        { labels: { from: "scores", labels: "docs/labels.txt", as: "top" } },
      ],
    },
  },
};
const VERSION = {
  handle: "acme/words/2",
  module: "acme/words",
  version: 2,
  digest: `sha256:${"ab".repeat(32)}`,
  revision: "cd".repeat(20),
  url: "http://hub.example/acme/words/2",
  publishedAt: "2026-11-23T10:00:00.000Z",
  files: [],
  manifest: MANIFEST,
};

let server: DocumentationHub;
let hub: Hub;
let folder: string;
beforeEach(async () => {
  server = new DocumentationHub();
  hub = new Hub({ url: await server.start(), token: "secret" });
  folder = await mkdtemp(join(tmpdir(), "modulehub-docs-"));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const digestOf = (text: string): Digest => digestOfHex(createHash("sha256").update(text).digest("hex"));

test("of a folder only the documentation is sent, and of that only what the hub lacks, equal files once", async () => {
  await mkdir(join(folder, "docs"));
  for (const [path, text] of Object.entries({
    "README.md": "same",
    LICENSE: "known",
    "docs/a.md": "same",
    "docs/labels.txt": "used by module.json",
    "module.json": "{}",
    "model.onnx": "graph",
  }))
    await writeFile(join(folder, path), text);
  server.blobs.set(digestOf("known"), "known");
  const answer = await hub.editDocumentation("acme/words/2", folder, { message: "Clearer." });
  expect(answer).toMatchObject({ revision: 4 });
  expect(server.uploads).toBe(1);
  expect(server.blobs.get(digestOf("same"))).toBe("same");
  expect(server.edits.at(-1)).toMatchObject({ base: 3, message: "Clearer." });
  expect(server.edits.at(-1)?.files.map(({ path }) => path)).toEqual(["LICENSE", "README.md", "docs/a.md"]);
});

test("files may be given by their paths, with the revision that they are based on", async () => {
  await hub.editDocumentation(
    "acme/words/2",
    { "README.md": "text", "images/a.png": Buffer.from([1]) },
    { base: 2 },
  );
  expect(server.edits.at(-1)?.base).toBe(2);
  expect([...server.blobs.keys()]).toEqual([digestOf("text"), digestOf("\u0001")]);
});

test("a conflict is told at once and not tried again; a hub that is down for a moment is", async () => {
  server.faults = ["documentation-conflict"];
  const refused = hub.editDocumentation("acme/words/2", { "README.md": "text" });
  await expect(refused).rejects.toMatchObject({ code: "documentation-conflict" });
  expect(server.edits).toHaveLength(1);
  server.faults = ["database-unavailable"];
  expect(await hub.editDocumentation("acme/words/2", { "README.md": "text" })).toMatchObject({ revision: 4 });
});

test("only a version that is named by its number has its documentation edited", async () => {
  for (const handle of ["acme/words", "acme/words@stable"])
    await expect(hub.editDocumentation(handle, {})).rejects.toMatchObject({ code: "invalid-handle" });
  expect(server.edits).toEqual([]);
});
