/**
 * `npm run pack --workspace packages/client [-- FOLDER]`: makes the package that others install, with no private
 * dependencies, and prints where it lies. Default: `.cache/packages`.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundleForBrowsers, bundleForNode } from "./bundle.ts";
import { writeDeclarations } from "./declarations.ts";

const ROOT = join(import.meta.dirname, "../../..");
const to = resolve(process.env.INIT_CWD ?? process.cwd(), process.argv[2] ?? join(ROOT, ".cache/packages"));

interface PackageJson {
  name: string;
  version: string;
  license: string;
  dependencies: Record<string, string>;
}

const packageOf = (folder: string): PackageJson =>
  JSON.parse(readFileSync(join(ROOT, "packages", folder, "package.json"), "utf8"));

const client = packageOf("client");
const runtime = packageOf("runtime");
const pick = (from: PackageJson, ...names: string[]): Record<string, string> =>
  Object.fromEntries(
    names.map((name) => {
      const version = from.dependencies[name];
      if (version === undefined) throw new Error(`${from.name} does not depend on ${name}.`);
      return [name, version];
    }),
  );

const dependencies = pick(client, "undici", "zod");
// Native, and needed by `load` alone: where one can't be installed, the rest works.
const optionalDependencies = pick(runtime, "@huggingface/tokenizers", "onnxruntime-node", "sharp");

const folder = join(to, "client");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
await bundleForNode({
  dependencies: [...Object.keys(dependencies), ...Object.keys(optionalDependencies)],
  to: folder,
});
await bundleForBrowsers(folder);
writeDeclarations(["packages/client/src/index.ts", "packages/client/src/browser.ts"], join(folder, "types"));
const types = (entry: string): string => `./types/packages/client/src/${entry}.d.ts`;
const published = {
  name: client.name,
  version: client.version,
  license: client.license,
  description: "Finds, runs, downloads and publishes the ONNX modules of a Modulehub.",
  type: "module",
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
};
writeFileSync(join(folder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
copyFileSync(join(import.meta.dirname, "README.md"), join(folder, "README.md"));
copyFileSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
const [packed] = JSON.parse(
  execFileSync("npm", ["pack", "--json", "--pack-destination", to], { cwd: folder, encoding: "utf8" }),
) as { filename: string }[];
console.log(join(to, packed!.filename));
