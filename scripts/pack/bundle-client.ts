import { join } from "node:path";
import { type InputOptions, rolldown } from "rolldown";
import { TO_JAVASCRIPT } from "./javascript.ts";
import { ROOT } from "./root.ts";
import { packageName } from "./third-party.ts";

const SOURCES = join(ROOT, "packages/client/src");

export interface BundleOptions {
  /** The packages that are installed beside this one, by their names. */
  dependencies: readonly string[];
  to: string;
}

/** Bundles the library for Node: the entry, and the process of isolated modules. */
export async function bundleForNode({ dependencies, to }: BundleOptions): Promise<void> {
  await write(
    {
      input: { index: join(SOURCES, "index.ts"), "isolated-child": join(SOURCES, "load/isolated-child.ts") },
      platform: "node",
      external: (id) => id.startsWith("node:") || dependencies.includes(packageName(id)),
    },
    to,
  );
}

/** Bundles the calls for browsers, as one file that imports nothing. */
export async function bundleForBrowsers(to: string): Promise<void> {
  await write({ input: { browser: join(SOURCES, "browser.ts") }, platform: "browser" }, to);
}

async function write(input: InputOptions, to: string): Promise<void> {
  const bundle = await rolldown({ ...TO_JAVASCRIPT, ...input });
  try {
    const { output } = await bundle.write({ dir: to, format: "esm", chunkFileNames: "[name]-[hash].js" });
    if (input.platform !== "browser") return;
    const imports = output.flatMap((file) =>
      file.type === "chunk" ? [...file.imports, ...file.dynamicImports] : [],
    );
    if (imports.length > 0) throw new Error(`The bundle for browsers imports ${imports.join(", ")}.`);
  } finally {
    await bundle.close();
  }
}
