import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { manifestPaths, parseManifest } from "@modulehub/core";
import { expect, test } from "vitest";

const examples = import.meta.dirname;
const sources = readdirSync(examples, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith("SOURCE.md"),
);
const modules: { handle: string; folder: string; build?: unknown }[] = JSON.parse(
  readFileSync(join(examples, "modules.json"), "utf8"),
).modules;

test.each(sources)("the files beside %s have the sizes and digests it records", (source) => {
  const text = readFileSync(join(examples, source), "utf8");
  const rows = [...text.matchAll(/^\| `([^`]+)`[^|]*\| (\d+) \| `([0-9a-f]{64})` \|$/gm)];
  expect(rows.length).toBeGreaterThan(0);
  for (const [, name = "", size, digest] of rows) {
    const beside = join(examples, dirname(source));
    const path = [join(beside, name), join(beside, "classification", name)].find((candidate) =>
      existsSync(candidate),
    );
    const bytes = readFileSync(path ?? join(beside, name));
    expect({ name, size: bytes.length, digest: createHash("sha256").update(bytes).digest("hex") }).toEqual({
      name,
      size: Number(size),
      digest,
    });
  }
});

test.each(modules)(
  "$handle has a valid manifest, a card, a licence and all files that aren't built",
  (module) => {
    const folder = join(examples, module.folder);
    const manifest = parseManifest(readFileSync(join(folder, "module.json")));
    for (const path of manifestPaths(manifest)) {
      if (path === "model.onnx" && module.build !== undefined) continue;
      expect(existsSync(join(folder, path)), path).toBe(true);
    }
    const card = readFileSync(join(folder, "README.md"), "utf8");
    for (const key of ["title", "task", "architecture", "datasets", "language", "license", "library_name"])
      expect(card).toMatch(new RegExp(`^${key}: .+$`, "m"));
    expect(card).toContain(`\ntask: ${manifest.task}\n`);
    expect(readdirSync(folder).some((name) => name.startsWith("LICENSE"))).toBe(true);
  },
);

test("the classifier has 1,000 labels, and no two are the same", () => {
  const file = join(examples, "modules", "efficientnet-lite0", "classification", "labels.txt");
  const labels = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(labels.length).toBe(1000);
  expect(new Set(labels).size).toBe(1000);
  // ImageNet's own numbering (ILSVRC2012, classes by WordNet id): the first, a well-known one and the last.
  expect([labels[0], labels[207], labels[999]]).toEqual(["tench", "golden retriever", "toilet tissue"]);
});

test("no file is larger than 10 MB", () => {
  for (const path of readdirSync(examples, { recursive: true, encoding: "utf8", withFileTypes: true }))
    if (path.isFile())
      expect(readFileSync(join(path.parentPath, path.name)).length, path.name).toBeLessThan(10_000_000);
});
