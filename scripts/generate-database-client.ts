/**
 * Generates the API's database client from prisma/schema.prisma, offline. Runs after every `npm ci`; does
 * nothing when the schema and Prisma's version are those of the last run.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const schema = join(root, "prisma", "schema.prisma");
const generated = join(root, "services", "api", "src", "database", "generated");
const stamp = join(generated, ".stamp");

const prismaVersion = versionOf("@prisma/client");
const wanted = createHash("sha256")
  .update(readFileSync(schema))
  .update(prismaVersion ?? "")
  .digest("hex");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) generate();

function generate(): void {
  if (versionOf("prisma") === undefined)
    fail(
      "The database client is missing or old, and Prisma's command, which makes it, is not installed.\n" +
        "Install with development dependencies (npm ci), or copy services/api/src/database/generated from such an install.",
    );
  const environment = { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: "1", CHECKPOINT_DISABLE: "1" };
  // Generating needs no schema engine, yet Prisma downloads it unless it is told where one is. Windows has
  // no such command: there Prisma looks for its own.
  const engine = ["/bin/true", "/usr/bin/true"].find((path) => existsSync(path));
  const command = createRequire(import.meta.url).resolve("prisma/build/index.js");
  const result = spawnSync(process.execPath, [command, "generate", "--no-hints"], {
    cwd: root,
    env: engine === undefined ? environment : { ...environment, PRISMA_SCHEMA_ENGINE_BINARY: engine },
    encoding: "utf8",
  });
  if (result.error) fail(`Prisma could not be started: ${result.error.message}`);
  if (result.status !== 0 || !existsSync(join(generated, "client.ts")))
    fail(`prisma generate failed (exit code ${result.status}):\n${result.stdout}${result.stderr}`);
  writeFileSync(stamp, wanted);
}

/** The version of an installed package; undefined where it is not installed. */
function versionOf(name: string): string | undefined {
  const path = join(root, "node_modules", name, "package.json");
  if (!existsSync(path)) return undefined;
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
  return version;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
