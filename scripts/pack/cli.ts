/**
 * `npm run pack --workspace packages/cli [-- FOLDER]`: makes the package that gives others the `modulehub` command,
 * with all that `modulehub serve` needs and no private dependencies, and prints where it lies. Default:
 * `.cache/packages`.
 */
import { copyFileSync, cpSync } from "node:fs";
import { join } from "node:path";
import { mirrorAsJavaScript } from "./mirror.ts";
import { ROOT } from "./root.ts";
import { packageOf, pinned } from "./third-party.ts";
import { emptyFolder, packagesFolder, writePackage } from "./write-package.ts";

/** Files that sources read at their places beside them. */
const READ = [
  "migrations",
  "services/web/assets",
  "examples/modules",
  "examples/modules.json",
  "examples/word-vectors",
];

const to = packagesFolder(process.argv[2]);
const folder = emptyFolder(join(to, "cli"));
const imported = await mirrorAsJavaScript(
  ["packages/cli/src/main.ts", "packages/client/src/load/isolated-child.ts"],
  folder,
);
for (const path of READ)
  cpSync(join(ROOT, path), join(folder, path), {
    recursive: true,
    filter: (source) => !source.endsWith(".test.ts"),
  });
copyFileSync(join(import.meta.dirname, "modulehub.js"), join(folder, "modulehub.js"));
console.log(
  writePackage(folder, {
    to,
    from: { ...packageOf("packages/cli"), name: "modulehub" },
    readme: join(ROOT, "packages/cli/README.md"),
    fields: {
      description: "The command line of Modulehub, a self-hosted hub for ONNX modules, and the hub itself.",
      engines: { node: ">=22.13" },
      bin: { modulehub: "modulehub.js" },
      dependencies: pinned(imported),
    },
  }),
);
