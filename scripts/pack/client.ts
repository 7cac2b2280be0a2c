/**
 * `npm run pack --workspace packages/client [-- FOLDER]`: makes the package that others install, with no private
 * dependencies, and prints where it lies. Default: `.cache/packages`.
 */
import { join } from "node:path";
import { bundleForBrowsers, bundleForNode } from "./bundle-client.ts";
import { writeDeclarations } from "./declarations.ts";
import { ROOT } from "./root.ts";
import { packageOf, pinned } from "./third-party.ts";
import { emptyFolder, packagesFolder, writePackage } from "./write-package.ts";

const dependencies = pinned(["csv-parse", "tar-stream", "undici", "yauzl", "zod"]);
// Native, and needed by `load` alone: where one can't be installed, the rest works.
const optionalDependencies = pinned(["@huggingface/tokenizers", "onnxruntime-node", "sharp"]);

const to = packagesFolder(process.argv[2]);
const folder = emptyFolder(join(to, "client"));
await bundleForNode({
  dependencies: [...Object.keys(dependencies), ...Object.keys(optionalDependencies)],
  to: folder,
});
await bundleForBrowsers(folder);
writeDeclarations(["packages/client/src/index.ts", "packages/client/src/browser.ts"], join(folder, "types"));
const types = (entry: string): string => `./types/packages/client/src/${entry}.d.ts`;
console.log(
  writePackage(folder, {
    to,
    from: packageOf("packages/client"),
    readme: join(ROOT, "packages/client/README.md"),
    fields: {
      description: "Finds, runs, downloads and publishes the ONNX modules of a Modulehub.",
      engines: { node: ">=20" },
      exports: {
        ".": {
          browser: { types: types("browser"), default: "./browser.js" },
          default: { types: types("index"), default: "./index.js" },
        },
      },
      sideEffects: false,
      dependencies,
      optionalDependencies,
    },
  }),
);
