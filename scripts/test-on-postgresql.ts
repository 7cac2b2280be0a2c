/**
 * Runs the API's whole suite on a real PostgreSQL: starts the server that the distribution installed, on
 * loopback, in a folder of its own, as the user `postgres` where this runs as root (it refuses to be root),
 * and stops it at the end. The last line is `N passed, N failed`.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const DEBIAN = "/usr/lib/postgresql";

/** The newest PostgreSQL of Debian's packages; undefined where none is installed. */
function serverPrograms(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined;
  const [newest] = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  return newest === undefined ? undefined : join(DEBIAN, newest, "bin");
}

const programs = serverPrograms();
if (programs === undefined) {
  console.error("PostgreSQL is not installed: apt-get install postgresql");
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const root = userInfo().uid === 0;
const idOf = (flag: string): number => Number(spawnSync("id", [flag, "postgres"]).stdout.toString());
const owner = root ? { uid: idOf("-u"), gid: idOf("-g") } : {};
const folder = mkdtempSync(join(tmpdir(), "modulehub-postgresql-"));
if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid);

const password = randomBytes(16).toString("hex");
const passwordFile = join(folder, "password");
writeFileSync(passwordFile, password);
if (owner.uid !== undefined) chownSync(passwordFile, owner.uid, owner.gid);
const data = join(folder, "data");
const made = spawnSync(
  join(programs, "initdb"),
  [
    "-D",
    data,
    "-U",
    "hub",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    "--locale=C",
  ],
  { ...owner, cwd: folder, encoding: "utf8" },
);
if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);

const port = await new Promise<number>((resolve) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const address = probe.address();
    probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
  });
});
const server = spawn(
  join(programs, "postgres"),
  [
    "-D",
    data,
    "-p",
    String(port),
    "-h",
    "127.0.0.1",
    "-k",
    folder,
    "-c",
    "max_connections=200",
    "-c",
    "log_min_messages=fatal",
  ],
  { ...owner, cwd: folder, stdio: ["ignore", "ignore", "inherit"] },
);
const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
try {
  const ready = () =>
    spawnSync(join(programs, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
      .status === 0;
  for (let tries = 0; !ready(); tries++) {
    if (tries > 100 || server.exitCode !== null) throw new Error("PostgreSQL did not start.");
    await sleep(100);
  }
  const { status } = spawnSync(process.execPath, ["scripts/test.ts", "--project", "unit", "services/api"], {
    stdio: "inherit",
    env: {
      ...process.env,
      MODULEHUB_TEST_DATABASE_URL: `postgresql://hub:${password}@127.0.0.1:${port}/postgres`,
    },
  });
  process.exitCode = status ?? 1;
} finally {
  server.kill("SIGINT");
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
