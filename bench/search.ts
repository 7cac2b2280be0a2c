import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { type DatabaseLocation, openDatabase } from "@modulehub/api/database";
import { writeListings } from "@modulehub/api/listing";
import { migrate } from "@modulehub/api/migrate";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import { Pool } from "undici";
import { moduleAt } from "./search/catalogue.ts";
import { KINDS, type Kind } from "./search/queries.ts";

const SIZES = [1_000, 20_000] as const;
/** Modules that are written at once. */
const BATCH = 500;
const WARM_UP = 5;
const REQUESTS = 60;

/** Milliseconds of the requests of one kind, and of a request beside each that asks the database for nothing. */
interface Times {
  p50: number;
  p95: number;
  baseline: number[];
}

/**
 * Lists and searches over 1,000 and over 20,000 modules, on the embedded database and on PostgreSQL, over HTTP, one
 * request after the other: milliseconds of each kind, and how they grow. The promise is a p95 under 50 ms over 20,000.
 * `Baseline` is what a request that asks the database for nothing takes beside them: how busy the machine is.
 */
export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = { loadBefore: loadavg()[0]! };
  await measureDatabase("pglite", figures, async (size) => ({
    location: ({ data }) => ({ kind: "folder", path: join(data, "database") }),
    size,
  }));
  const server = await startPostgresql();
  if (server === undefined)
    console.log("PostgreSQL is not installed here: only the embedded database was measured.");
  else
    try {
      await measureDatabase("postgresql", figures, async (size) => {
        const name = `bench_${size}`;
        const postgres = await openDatabase({ kind: "postgresql", url: server.url });
        await postgres.prisma.$executeRawUnsafe(`CREATE DATABASE ${name}`);
        await postgres.close();
        const url = new URL(server.url);
        url.pathname = `/${name}`;
        return { location: () => ({ kind: "postgresql", url: url.href }), size };
      });
    } finally {
      await server.stop();
    }
  return { ...figures, loadAfter: loadavg()[0]! };
}

interface Catalogue {
  location(folders: { data: string }): DatabaseLocation;
  size: number;
}

async function measureDatabase(
  name: string,
  figures: Record<string, number>,
  prepare: (size: number) => Promise<Catalogue>,
): Promise<void> {
  const results: Map<string, Times>[] = [];
  for (const size of SIZES) results.push(await measureSize(await prepare(size)));
  const [small, large] = results as [Map<string, Times>, Map<string, Times>];
  console.log(`\n${name.padEnd(30)} 1,000: p50    p95   20,000: p50    p95  growth of p50`);
  const growths: number[] = [];
  for (const { name: kind } of KINDS) {
    const [few, many] = [small.get(kind)!, large.get(kind)!];
    growths.push(many.p50 / few.p50);
    const columns = [few.p50, few.p95, many.p50, many.p95, many.p50 / few.p50];
    console.log(`${kind.padEnd(30)} ${columns.map((value) => value.toFixed(1).padStart(9)).join(" ")}`);
  }
  figures[`${name}WorstP95Ms`] = Math.max(...[...large.values()].map(({ p95 }) => p95));
  figures[`${name}BaselineP95Ms`] = quantile(
    [...large.values()].flatMap(({ baseline }) => baseline),
    0.95,
  );
  figures[`${name}MedianP50Ms`] = quantile(
    [...large.values()].map(({ p50 }) => p50),
    0.5,
  );
  figures[`${name}GrowthMedian`] = quantile(growths, 0.5);
  figures[`${name}GrowthWorst`] = Math.max(...growths);
}

async function measureSize({ location, size }: Catalogue): Promise<Map<string, Times>> {
  const data = mkdtempSync(join(tmpdir(), "modulehub-bench-search-"));
  try {
    const where = location({ data });
    await fill(where, size);
    const api = await startApi(data, where);
    try {
      const token = readFileSync(join(data, "admin-token"), "utf8").trim();
      const times = new Map<string, Times>();
      for (const kind of KINDS) times.set(kind.name, await measureKind(api.url, token, kind));
      return times;
    } finally {
      await api.stop();
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** Writes modules as publishing leaves them in the tables that lists read; they have no files. */
async function fill(location: DatabaseLocation, size: number): Promise<void> {
  const database = await openDatabase(location);
  await migrate(database);
  for (let from = 0; from < size; from += BATCH) {
    const sources = Array.from({ length: Math.min(BATCH, size - from) }, (_, index) =>
      moduleAt(from + index),
    );
    const rows = JSON.stringify(
      sources.map(({ moduleId: id, publisher, name, visibility }) => ({ id, publisher, name, visibility })),
    );
    await database.prisma.$executeRaw`
      INSERT INTO publisher (id, display_name)
      SELECT DISTINCT publisher, publisher FROM jsonb_to_recordset(${rows}::jsonb) AS row(publisher text)
      ON CONFLICT DO NOTHING`;
    await database.prisma.$executeRaw`
      INSERT INTO module (id, publisher_id, name, lower_name, hf_name, oci_name, visibility)
      SELECT id, publisher, name, name, name, name, visibility
      FROM jsonb_to_recordset(${rows}::jsonb) AS row(id int, publisher text, name text, visibility text)`;
    await writeListings(database.prisma, sources);
  }
  await database.close();
}

async function measureKind(url: string, token: string, kind: Kind): Promise<Times> {
  const pool = new Pool(url, { connections: 1 });
  const headers = kind.asAdmin ? { authorization: `Bearer ${token}` } : {};
  const get = async (path: string) => {
    const answer = await pool.request({ method: "GET", path, headers });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
    return text;
  };
  const cursor = kind.skip === undefined ? "" : await deepCursor(get, kind.path(0), kind.skip);
  const times: number[] = [];
  const baseline: number[] = [];
  for (let n = -WARM_UP; n < REQUESTS; n++) {
    const path = `${kind.path(n + WARM_UP)}${cursor}`;
    const start = performance.now();
    await get(path);
    if (n >= 0) times.push(performance.now() - start);
    const between = performance.now();
    await get("/health/live");
    if (n >= 0) baseline.push(performance.now() - between);
  }
  await pool.close();
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), baseline };
}

/** A cursor from far down a list: after so many thousands of modules, or as far as the list goes. */
async function deepCursor(
  get: (path: string) => Promise<string>,
  path: string,
  thousands: number,
): Promise<string> {
  const limit = Math.min(1, thousands) * 1_000;
  let cursor = "";
  for (let page = 0; page < Math.ceil(thousands); page++) {
    const { next } = JSON.parse(await get(path.replace("limit=20", `limit=${limit}`) + cursor)) as {
      next?: string;
    };
    if (next === undefined) break;
    cursor = `&cursor=${next}`;
  }
  return cursor;
}

async function startApi(
  data: string,
  location: DatabaseLocation,
): Promise<{ url: string; stop(): Promise<void> }> {
  const child = fork(join(import.meta.dirname, "../services/api/src/main.ts"), [], {
    env: {
      ...process.env,
      MODULEHUB_PORT: "0",
      MODULEHUB_DATA: data,
      MODULEHUB_LOG_LEVEL: "warn",
      ...(location.kind === "postgresql" && { MODULEHUB_DATABASE_URL: location.url }),
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the API ended with ${code}`)));
    child.on("message", (message) => {
      if (typeof message === "object" && message !== null && "url" in message) resolve(String(message.url));
    });
  });
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;
