import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix, relative } from "node:path";
import { ROOT } from "./root.ts";

/** The workspace's packages that the client is made of. */
const OWN = ["core", "onnx", "runtime"];

/**
 * Writes the type declarations that the entries (sources, by their paths from the root) lead to, into a folder
 * that mirrors the root. Imports of the workspace's own packages become relative ones; the package has none of them.
 */
export function writeDeclarations(entries: readonly string[], to: string): void {
  const emitted = mkdtempSync(join(tmpdir(), "modulehub-types-"));
  try {
    const config = join(emitted, "tsconfig.json");
    writeFileSync(
      config,
      JSON.stringify({
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: {
          noEmit: false,
          declaration: true,
          emitDeclarationOnly: true,
          rootDir: ROOT,
          outDir: join(emitted, "out"),
          typeRoots: [join(ROOT, "node_modules/@types")],
          // By their names they would be libraries, whose declarations are not written.
          paths: Object.fromEntries(
            OWN.flatMap((name) =>
              Object.entries(exportsOf(name)).map(([key, file]) => [
                posix.join(`@modulehub/${name}`, key),
                [join(ROOT, "packages", name, file)],
              ]),
            ),
          ),
        },
        include: [],
        files: entries.map((entry) => join(ROOT, entry)),
      }),
    );
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", config], { stdio: "inherit" });
    const written = new Set<string>();
    const write = (source: string) => {
      if (written.has(source)) return;
      written.add(source);
      const declaration = source.replace(/\.ts$/, ".d.ts");
      const text = readFileSync(join(emitted, "out", declaration), "utf8").replace(
        /(\bfrom |\bimport\()(["'])([^"']+)\2/g,
        (whole, before: string, quote: string, specifier: string) => {
          const target = sourceOf(specifier, source);
          if (target === undefined) return whole;
          write(target);
          const path = posix.relative(posix.dirname(source), target).replace(/\.ts$/, ".js");
          return `${before}${quote}${path.startsWith(".") ? path : `./${path}`}${quote}`;
        },
      );
      mkdirSync(dirname(join(to, declaration)), { recursive: true });
      writeFileSync(join(to, declaration), text);
    };
    for (const entry of entries) write(entry);
  } finally {
    rmSync(emitted, { recursive: true });
  }
}

/** The source that an import of another source means; undefined where it is another's package. */
function sourceOf(specifier: string, from: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
  const own = /^@modulehub\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (!own) return undefined;
  const folder = join(ROOT, "packages", own[1]!);
  const file = exportsOf(own[1]!)[own[2] === undefined ? "." : `./${own[2]}`];
  if (file === undefined || !existsSync(join(folder, file)))
    throw new Error(`${specifier} is exported by no package.`);
  return relative(ROOT, join(folder, file)).replaceAll("\\", "/");
}

function exportsOf(name: string): Record<string, string> {
  const text = readFileSync(join(ROOT, "packages", name, "package.json"), "utf8");
  return (JSON.parse(text) as { exports: Record<string, string> }).exports;
}
