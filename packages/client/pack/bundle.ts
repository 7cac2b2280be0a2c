import { join } from "node:path";
import { type InputOptions, rolldown } from "rolldown";

const SOURCES = join(import.meta.dirname, "../src");

/** The oldest that the JavaScript runs on. */
const TARGET = "node20";

/** What is installed beside the package, by its exact name or as the beginning of a path. */
export interface BundleOptions {
  dependencies: readonly string[];
  to: string;
}

/** Bundles the library for Node: the entry, and the process of isolated modules. */
export async function bundleForNode({ dependencies, to }: BundleOptions): Promise<void> {
  await write(
    {
      input: { index: join(SOURCES, "index.ts"), "isolated-child": join(SOURCES, "load/isolated-child.ts") },
      platform: "node",
      external: (id) =>
        /^node:/.test(id) || dependencies.some((name) => id === name || id.startsWith(`${name}/`)),
    },
    to,
  );
}

/** Bundles the calls for browsers, as one file that imports nothing. */
export async function bundleForBrowsers(to: string): Promise<void> {
  await write({ input: { browser: join(SOURCES, "browser.ts") }, platform: "browser" }, to);
}

async function write(input: InputOptions, to: string): Promise<void> {
  const bundle = await rolldown({
    ...input,
    transform: {
      target: TARGET,
      inject: { Float16Array: [join(SOURCES, "float16-stand-in.ts"), "Float16Array"] },
    },
    onLog(_, log) {
      throw new Error(`The bundler complains: ${log.message}`);
    },
  });
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
