import { join, posix, relative } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { TO_JAVASCRIPT } from "./javascript.ts";
import { ROOT } from "./root.ts";
import { isThirdParty, packageName } from "./third-party.ts";

/**
 * Writes what the entries (sources, by their paths from the root) lead to as JavaScript, one file a source, in
 * folders that mirror the root: what a source finds beside itself (a child process, migrations, pages' assets), it
 * finds there too. Imports of the workspaces' own packages become relative ones. Returns the names of the packages
 * that are imported and lie elsewhere.
 */
export async function mirrorAsJavaScript(entries: readonly string[], to: string): Promise<Set<string>> {
  const bundle = await rolldown({
    ...TO_JAVASCRIPT,
    input: Object.fromEntries(entries.map((entry) => [entry.replace(/\.ts$/, ""), join(ROOT, entry)])),
    platform: "node",
    external: isThirdParty,
    plugins: [placesOfFiles()],
    treeshake: false,
  });
  try {
    const { output } = await bundle.write({
      dir: to,
      format: "esm",
      preserveModules: true,
      preserveModulesRoot: ROOT,
      entryFileNames: "[name].js",
    });
    const written = new Set(output.map(({ fileName }) => fileName));
    const imported = output.flatMap((file) =>
      file.type === "chunk" ? [...file.imports, ...file.dynamicImports] : [],
    );
    return new Set(imported.filter((name) => !written.has(name) && isThirdParty(name)).map(packageName));
  } finally {
    await bundle.close();
  }
}

/** `new URL("./thread.ts", import.meta.url)`: a source that is started, not imported. */
const STARTED = /new URL\(\s*"(\.[^"]+)\.ts",\s*import\.meta\.url\s*\)/g;
/** `import.meta.resolve(`@modulehub/${service}/main`)`: the services that the command starts. */
const SERVICE = /import\.meta\.resolve\(`@modulehub\/\$\{(\w+)\}\/main`\)/g;

/** What sources say about where files lie, said as it is among the JavaScript. Sources that are started come along. */
function placesOfFiles(): Plugin {
  return {
    name: "places-of-files",
    transform(code, id) {
      if (!id.endsWith(".ts") || !id.startsWith(ROOT)) return null;
      const folder = posix.dirname(relative(ROOT, id).replaceAll("\\", "/"));
      const start = (source: string) => {
        this.emitFile({ type: "chunk", id: join(ROOT, source), preserveSignature: "strict" });
      };
      return (
        code
          .replace(STARTED, (_, path: string) => {
            start(posix.join(folder, `${path}.ts`));
            return `new URL("${path}.js", import.meta.url)`;
          })
          .replace(SERVICE, (_, service: string) => {
            for (const name of ["api", "worker"]) start(`services/${name}/src/main.ts`);
            const services = posix.relative(folder, "services");
            return `new URL(\`${services}/\${${service}}/src/main.js\`, import.meta.url).href`;
          })
          // Node has it since 24.2.
          .replaceAll("import.meta.main", "(process.argv[1] === import.meta.filename)")
      );
    },
  };
}
