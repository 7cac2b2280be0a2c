/**
 * Builds the S3 servers that the blob store is tried on, from their sources by way of Go's module proxy, into
 * `.cache/s3`; one that is there in its version stays. Needs Go. About six minutes on two cores, once.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3_PROGRAMS, type S3ServerName } from "@modulehub/api/testing/s3-servers";

/** Name of the program, the module that it is in, its version, and its package. */
const SOURCES: Record<S3ServerName, { module: string; version: string; program: string }> = {
  versitygw: { module: "github.com/versity/versitygw", version: "v1.8.0", program: "./cmd/versitygw" },
  // SeaweedFS 4.53; its tags are no versions of its module, so Go calls the commit.
  weed: {
    module: "github.com/seaweedfs/seaweedfs",
    version: "v0.0.0-20261109003541-7506e5f91cd6",
    program: "./weed",
  },
};

function go(args: string[], cwd?: string): string {
  const { status, stdout, error } = spawnSync("go", args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  if (error !== undefined) throw new Error(`Go could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`go ${args[0]} ended with ${status}.`);
  return stdout;
}

/**
 * Modules with `replace` lines can't be installed by name, only built where they lie; and what the proxy brought may
 * not be written to, so it is built in a copy.
 */
function build(name: S3ServerName): void {
  const { module, version, program } = SOURCES[name];
  const mark = join(S3_PROGRAMS, `${name}.version`);
  if (existsSync(join(S3_PROGRAMS, name)) && existsSync(mark) && readFileSync(mark, "utf8") === version) {
    console.log(`${name} ${version} is there`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "modulehub-s3-source-"));
  try {
    const downloaded: unknown = JSON.parse(go(["mod", "download", "-json", `${module}@${version}`], folder));
    if (typeof downloaded !== "object" || downloaded === null || !("Dir" in downloaded))
      throw new Error(`Go did not say where ${module} lies.`);
    const source = join(folder, "source");
    cpSync(String(downloaded.Dir), source, { recursive: true });
    spawnSync("chmod", ["-R", "u+w", source]);
    mkdirSync(S3_PROGRAMS, { recursive: true });
    go(["build", "-trimpath", "-ldflags=-s -w", "-o", join(S3_PROGRAMS, name), program], source);
    writeFileSync(mark, version);
    console.log(`${name} ${version} was built`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const name of Object.keys(SOURCES) as S3ServerName[]) build(name);
