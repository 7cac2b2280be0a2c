import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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

export interface PostgresqlServer {
  /** Of its database `postgres`, as its superuser. */
  url: string;
  /** SIGKILL to the server and all its processes at once, as when its machine goes down. */
  kill(): Promise<void>;
  /** SIGSTOP to all its processes: connections stay open, and nothing answers any more. Only kill() ends that. */
  freeze(): void;
  /** Starts it again on the same data, and waits until it takes connections. */
  start(): Promise<void>;
  /** Ends it and deletes its data. */
  stop(): Promise<void>;
}

export interface PostgresqlOptions {
  /** Default: a free one. */
  port?: number;
  /** Of the superuser `hub`; default: a random one. */
  password?: string;
  /** Further settings, as in `fsync=off` where the server itself is never killed. */
  settings?: string[];
  /** An empty folder for it and its data, on a file system of its own for example; default: a temporary one. */
  folder?: string;
  /** Added to the server's environment. */
  env?: Record<string, string>;
}

/**
 * Starts the PostgreSQL that the distribution installed, on loopback, in a folder of its own, as the user `postgres`
 * where this runs as root (it refuses to be root). Undefined where none is installed.
 */
export async function startPostgresql(
  options: PostgresqlOptions = {},
): Promise<PostgresqlServer | undefined> {
  const programs = serverPrograms();
  if (programs === undefined) return undefined;
  const root = userInfo().uid === 0;
  const idOf = (flag: string): number => Number(spawnSync("id", [flag, "postgres"]).stdout.toString());
  const owner = root ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "modulehub-postgresql-"));
  const password = options.password ?? randomBytes(16).toString("hex");
  const remove = () => {
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password);
  for (const path of [folder, passwordFile])
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid);
  const data = join(folder, "data");
  const identity = ["-U", "hub", "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
  const made = spawnSync(
    join(programs, "initdb"),
    ["-D", data, ...identity, "--encoding=UTF8", "--locale=C"],
    { ...owner, cwd: folder, encoding: "utf8" },
  );
  if (made.status !== 0) {
    remove();
    throw new Error(`initdb failed: ${made.stderr}`);
  }
  const port = options.port ?? (await freePort());
  const settings = ["max_connections=200", "log_min_messages=panic", ...(options.settings ?? [])].flatMap(
    (setting) => ["-c", setting],
  );
  let server: ChildProcess | undefined;
  const isReady = () =>
    spawnSync(join(programs, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
      .status === 0;
  const start = async () => {
    const started = spawn(
      join(programs, "postgres"),
      ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder, ...settings],
      {
        ...owner,
        cwd: folder,
        env: { ...process.env, ...options.env },
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    server = started;
    for (let tries = 0; !isReady(); tries++) {
      if (tries > 600 || started.exitCode !== null) throw new Error("PostgreSQL did not start.");
      await sleep(50);
    }
  };
  const end = async (end: (child: ChildProcess) => void) => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    end(server);
    await ended;
  };
  const stop = async () => {
    await end((child) => child.kill("SIGINT"));
    remove();
  };
  const kill = () =>
    end((child) => {
      const others = childrenOf(child.pid!);
      child.kill("SIGKILL");
      for (const pid of others) killIfThere(pid);
    });
  const freeze = () => {
    if (server?.pid === undefined) throw new Error("PostgreSQL does not run.");
    for (const pid of [server.pid, ...childrenOf(server.pid)]) process.kill(pid, "SIGSTOP");
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `postgresql://hub:${password}@127.0.0.1:${port}/postgres`, start, kill, freeze, stop };
}

/** Each connection of PostgreSQL's has a process, in a session of its own. */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
