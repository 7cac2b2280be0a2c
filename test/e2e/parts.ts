import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishExamples } from "../../packages/cli/src/commands/serve/example-modules.ts";
import { Hub } from "../../packages/client/src/index.ts";
import { connectS3 } from "../../services/api/src/blobs/s3-client.ts";
import { s3Store } from "../../services/api/src/blobs/s3-store.ts";
import { type PostgresqlServer, startPostgresql } from "../../services/api/src/testing/postgresql-server.ts";
import { freePorts, type S3Server, startS3 } from "../../services/api/src/testing/s3-servers.ts";
import { type ComposeService, readCompose } from "./compose.ts";

/**
 * A hub of the parts in docker-compose.yml, started by hand: PostgreSQL and HAProxy as Debian packages them, SeaweedFS
 * built from its sources, two replicas of the API and two workers. Commands, settings and configuration files are the
 * compose file's; only addresses and folders are other ones.
 */
export interface RunningParts {
  url: string;
  token: string;
  /** Address of the S3 server. */
  storeUrl: string;
  /** The API's replicas, each at its own address. */
  apis: string[];
  /** Processes of API and workers. */
  pids: number[];
  output(): string;
  /** Names of what lies in the store: blobs, and uploads on their way. */
  storedNames(): Promise<string[]>;
  /** Ends API, workers and HAProxy in good order; the worst exit code. */
  interrupt(): Promise<number>;
  kill(): Promise<void>;
  killApi(): Promise<void>;
  /** SIGKILL to all workers, which are then started again. */
  killWorkers(): Promise<void>;
}

/** Where a part runs, and where it would in compose: `name:port`. */
type Places = Map<string, string>;

/** What stays while API and workers are started again on the same data. */
interface Ground {
  database: PostgresqlServer;
  store: S3Server;
  places: Places;
  secrets: string;
}

const grounds = new Map<string, Ground>();
const children = new Set<ChildProcess>();

/** Starts all parts; those that keep data only if they don't run already for this folder. */
export async function startParts(
  root: string,
  data: string,
  env: Record<string, string>,
): Promise<RunningParts> {
  const { services } = readCompose(root);
  const ground = grounds.get(data) ?? (await layGround(root, data, services));
  grounds.set(data, ground);
  const names = ["api-1:8080", "api-2:8080", "worker-1:8090", "worker-2:8090", "proxy:8080", "proxy:8090"];
  const ports = await freePorts(names.length + 1);
  const places: Places = new Map(ground.places);
  for (const [index, name] of names.entries()) places.set(name, `127.0.0.1:${ports[index]}`);
  const url = `http://${places.get("proxy:8080")}`;
  let output = "";
  const run = (name: string, command: string[], environment: Record<string, string>) => {
    const [file = "", ...args] = command;
    const child = spawn(file, args, {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: data, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const note = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
    children.add(child);
    return {
      name,
      child,
      exited: new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 137))),
    };
  };
  const settingsOf = (name: string): Record<string, string> => {
    const own = name.startsWith("api") ? "MODULEHUB" : "MODULEHUB_WORKER";
    const [host = "", port = ""] =
      places.get(`${name}:${name.startsWith("api") ? 8080 : 8090}`)?.split(":") ?? [];
    return {
      ...placed(services[name]!.environment, places, ground.secrets),
      ...env,
      [`${own}_HOST`]: host,
      [`${own}_PORT`]: port,
    };
  };
  const publicUrls = {
    MODULEHUB_PUBLIC_URL: env.MODULEHUB_PUBLIC_URL ?? url,
    MODULEHUB_S3_PUBLIC_ENDPOINT: env.MODULEHUB_S3_PUBLIC_ENDPOINT ?? ground.store.settings.endpoint,
  };
  const image = commandOf(root, "docker/Dockerfile");
  const apis = ["api-1", "api-2"].map((name) => run(name, image, { ...settingsOf(name), ...publicUrls }));
  const startWorkers = () =>
    ["worker-1", "worker-2"].map((name) =>
      run(name, services[name]!.command, {
        ...settingsOf(name),
        MODULEHUB_CACHE: join(data, `cache-${name}`),
      }),
    );
  let workers = startWorkers();
  const proxy = run("proxy", ["haproxy", "-db", "-f", join(root, "docker/haproxy.cfg")], {
    ...placed(withoutNames(services.proxy!.environment), places, ground.secrets),
    HUB_BIND: places.get("proxy:8080")!,
    WORKERS_BIND: places.get("proxy:8090")!,
    STATUS_BIND: `127.0.0.1:${ports.at(-1)}`,
  });
  const end = async (signal: NodeJS.Signals, which = [...apis, ...workers, proxy]): Promise<number> => {
    for (const { child } of which) if (child.exitCode === null) child.kill(signal);
    const codes = await Promise.all(which.map(({ exited }) => exited));
    return Math.max(...codes);
  };
  const token = readFileSync(join(ground.secrets, "api/admin-token"), "utf8").trim();
  writeFileSync(join(data, "admin-token"), `${token}\n`, { mode: 0o600 });
  return {
    url,
    token,
    storeUrl: ground.store.settings.endpoint,
    apis: ["api-1:8080", "api-2:8080"].map((name) => `http://${places.get(name)}`),
    pids: [...apis, ...workers].map(({ child }) => child.pid!),
    output: () => output,
    storedNames: () => storedNames(ground.store),
    interrupt: async () => {
      await end("SIGUSR1", [proxy]);
      return end("SIGTERM", [...apis, ...workers]);
    },
    kill: async () => void (await end("SIGKILL")),
    killApi: async () => void (await end("SIGKILL", apis)),
    killWorkers: async () => {
      await end("SIGKILL", workers);
      // As compose's restart policy does.
      workers = startWorkers();
    },
  };
}

/** Publishes the example modules, as `modulehub serve` does on an empty hub. */
export const publishExamplesTo = (hub: { url: string; token: string; data: string }): Promise<void> =>
  publishExamples(new Hub(hub), join(hub.data, "examples"), () => undefined, AbortSignal.timeout(240_000));

/** Ends everything that was started. */
export async function stopParts(): Promise<void> {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
  }
  children.clear();
  for (const { database, store } of grounds.values()) {
    await store.stop();
    await database.stop();
  }
  grounds.clear();
}

async function layGround(
  root: string,
  data: string,
  services: Record<string, ComposeService>,
): Promise<Ground> {
  const [databasePort = 0, storePort = 0] = await freePorts(2);
  const secrets = join(data, "secrets");
  const places: Places = new Map([
    ["database:5432", `127.0.0.1:${databasePort}`],
    ["store:8333", `127.0.0.1:${storePort}`],
    ["localhost:8333", `127.0.0.1:${storePort}`],
  ]);
  const [sh = "", script = "", , address = ""] = services.prepare!.command;
  mkdirSync(data, { recursive: true });
  // The database of a server that tests start is called `postgres`.
  const database = address
    .replace("database:5432", places.get("database:5432")!)
    .replace(/\/\w+$/, "/postgres");
  const made = spawnSync(sh, [join(root, script), secrets, database], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`${script} ended with ${made.status}: ${made.stderr}`);
  const secret = (name: string) => readFileSync(join(secrets, name), "utf8");
  const server = await startPostgresql({ port: databasePort, password: secret("database/password") });
  if (server === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const store = await startS3("weed", {
    port: storePort,
    args: services.store!.command.map((argument) =>
      argument.replace("/run/secrets/", `${secrets}/`).replace("-volume.max=0", "-volume.max=100"),
    ),
    credentials: {
      accessKeyId: secret("api/s3-access-key-id"),
      secretAccessKey: secret("api/s3-secret-access-key"),
    },
  });
  return { database: server, store, places, secrets };
}

/** Settings as compose has them, at the places where the parts run here. */
function placed(
  environment: Record<string, string>,
  places: Places,
  secrets: string,
): Record<string, string> {
  const put = (value: string): string => {
    let text = value.replace("/run/secrets/", `${secrets}/`);
    for (const [name, place] of places) text = text.replace(name, place);
    return text;
  };
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, put(value)]));
}

/** HAProxy's settings where addresses don't change, and there is no name server to ask. */
const withoutNames = (environment: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => name !== "DNS"));

/** What an image runs unless it is told otherwise. */
function commandOf(root: string, dockerfile: string): string[] {
  const line = /^CMD (\[.*\])$/m.exec(readFileSync(join(root, dockerfile), "utf8"))?.[1];
  if (line === undefined) throw new Error(`${dockerfile} has no CMD.`);
  return JSON.parse(line) as string[];
}

async function storedNames(server: S3Server): Promise<string[]> {
  const connection = connectS3(server.settings);
  const store = s3Store(connection);
  const names: string[] = [];
  for (const what of ["blobs", "uploads"] as const) {
    let cursor: string | undefined;
    do {
      const page = await store.list(what, cursor);
      names.push(...page.items.map(({ name }) => `${what}/${name}`));
      cursor = page.next;
    } while (cursor !== undefined);
  }
  connection.close();
  return names;
}
