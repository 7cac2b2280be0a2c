import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import { type S3Server, type S3ServerName, startS3 } from "@modulehub/api/testing/s3-servers";
import { type Hub, send } from "./caller.ts";
import { apiPart, type Part, workerPart } from "./parts/processes.ts";
import { Publisher, Violation } from "./publisher.ts";
import { type Random, randomFrom } from "./random.ts";
import { verify } from "./verify.ts";

export interface KillOptions {
  seed: number;
  /** Kills; or as many as fit into the time. */
  count: number;
  /** Milliseconds after which no more kills are made. */
  time?: number;
  /** Given when no more kills are to be made: what has been done is checked, and everything taken away. */
  stop?: AbortSignal;
  database: "embedded" | "postgresql";
  /** Where blobs are: in the data folder, or in an S3 server, which is killed too. Default: the folder. */
  store?: "folder" | S3ServerName;
  /** Clients at once, each with modules of its own. */
  clients?: number;
  say?: (line: string) => void;
}

export interface KillResult {
  /** How often a part was killed. */
  faults: Map<string, number>;
  answered: number;
  unanswered: number;
  versions: number;
}

/** A module that has so many versions is left for a new one: what it has is checked again at the end. */
const VERSIONS = 30;

/** Answers that all clients get at the most before the next kill, and milliseconds that are waited for them. */
const CALLS = 30;
const PATIENCE = 3_000;

/** How often another part dies at the same moment as the API. */
const TOGETHER = 0.15;

/** S3's parts have at least 5 MiB: an upload of three. */
const UPLOAD_SIZE_S3 = 11_000_000;

/** What happened lately is kept for when something is wrong: so many lines. */
const HISTORY = 4_000;

/**
 * A hub of real processes whose parts are killed again and again while clients change things. After each kill the part
 * is started again and everything that was answered is compared with what is there. Throws `Violation`, with the seed
 * and the file that the history was written to.
 */
export async function runKills(options: KillOptions): Promise<KillResult> {
  const { seed, say = () => undefined, clients = 3 } = options;
  const random = randomFrom(seed);
  const history: string[] = [];
  const begun = Date.now();
  let calls = 0;
  const note = (line: string) => {
    calls++;
    history.push(`${((Date.now() - begun) / 1_000).toFixed(3)} ${line}`);
    if (history.length > HISTORY) history.splice(0, HISTORY / 4);
  };
  const data = await mkdtemp(join(tmpdir(), "modulehub-kills-"));
  const postgresql = options.database === "postgresql" ? await startPostgresql() : undefined;
  if (options.database === "postgresql" && postgresql === undefined)
    throw new Error("PostgreSQL is not installed");
  const { store = "folder" } = options;
  const s3 = store === "folder" ? undefined : await startS3(store);
  const worker = await workerPart();
  const databaseUrl = postgresql?.url;
  const code = await mkdtemp(join(tmpdir(), "modulehub-code-"));
  const api = apiPart("api", {
    data,
    workerUrl: worker.url,
    ...(databaseUrl !== undefined && { databaseUrl }),
    env: { NODE_COMPILE_CACHE: code, ...(s3 && bucketOf(s3)) },
  });
  const hub: Hub = {
    url: () => api.url(),
    get token() {
      return api.token();
    },
  };
  const parts: Part[] = [
    api,
    worker,
    ...(postgresql ? [{ name: "postgresql", start: postgresql.start, kill: postgresql.kill }] : []),
    ...(s3 ? [{ name: store, start: s3.restart, kill: s3.kill }] : []),
  ];
  const result: KillResult = { faults: new Map(), answered: 0, unanswered: 0, versions: 0 };
  try {
    await worker.start();
    // What it compiled is kept for the next start where it ends in good order.
    await api.start();
    await api.end();
    await api.start();
    const made = await send(hub, "POST", "/v1/publishers", { id: "acme" });
    if (made.kind !== "done") throw new Error(`acme could not be made: ${JSON.stringify(made)}`);
    let named = 0;
    const uploads = s3 === undefined ? {} : { uploadSize: UPLOAD_SIZE_S3 };
    const newPublisher = () => new Publisher(hub, `acme/m${++named}`, random, note, uploads);
    const active = Array.from({ length: clients }, newPublisher);
    const left: Publisher[] = [];
    for (
      let kills = 0;
      kills < options.count && Date.now() - begun < (options.time ?? Infinity) && !options.stop?.aborted;
    ) {
      const dying = choose(parts, random);
      const names = dying.map(({ name }) => name).join(" and ");
      note(`── ${kills}: ${names} to be killed`);
      const stop = new AbortController();
      const working = Promise.all(
        active.map(async (publisher) => {
          while (!stop.signal.aborted) {
            const done = await publisher.step(stop.signal);
            result[done ? "answered" : "unanswered"]++;
            // Until what came of it is known, nothing may rest on it.
            if (!done && !stop.signal.aborted) await settle(hub, publisher, random, stop.signal);
          }
        }),
      );
      // What is wrong is told below, once the parts run again.
      working.catch(() => undefined);
      // By what has been answered, so that a slow machine dies in the middle of work too; then at any moment.
      const enough = calls + random.below(CALLS);
      for (const until = Date.now() + PATIENCE; calls < enough && Date.now() < until; ) await sleep(5);
      await sleep(random.next() ** 2 * 100);
      await Promise.all(dying.map((part) => part.kill()));
      note(`── killed`);
      for (const { name } of dying) result.faults.set(name, (result.faults.get(name) ?? 0) + 1);
      // The others go on without it for a moment: what they answer then is an answer too.
      const isApiAlive = !dying.includes(api);
      if (isApiAlive) await sleep(random.below(100));
      // What the API needs is started before it.
      for (const part of dying.toReversed()) await part.start();
      if (isApiAlive) await sleep(random.below(200));
      stop.abort();
      await working;
      await Promise.all(active.map((publisher) => untilAnswered(hub, publisher, random)));
      for (const [index, publisher] of active.entries()) {
        if (publisher.record.versions.size < VERSIONS) continue;
        left.push(publisher);
        active[index] = newPublisher();
      }
      const before = kills;
      kills += dying.length;
      if (Math.floor(kills / 25) > Math.floor(before / 25))
        say(`${kills} kills, ${result.answered} changes answered, ${result.unanswered} not`);
    }
    for (const publisher of [...left, ...active]) {
      await untilAnswered(hub, publisher, random, true);
      await publisher.finish();
      await untilAnswered(hub, publisher, random, true);
      result.versions += publisher.record.versions.size;
    }
    return result;
  } catch (error) {
    const file = join(tmpdir(), `modulehub-faults-${seed}.log`);
    await writeFile(file, `${history.join("\n")}\n${String(error)}\n`);
    throw new Error(
      `${error instanceof Error ? error.message : String(error)} (seed ${seed}, history in ${file})`,
      { cause: error },
    );
  } finally {
    await api.kill();
    await worker.kill();
    await postgresql?.stop();
    await s3?.stop();
    for (const folder of [data, code]) await rm(folder, { recursive: true, force: true });
  }
}

/** The API more often than any other part, since it is what can be in the middle of something; sometimes one with it. */
const choose = (parts: Part[], random: Random): Part[] => {
  const [api, ...others] = parts;
  if (random.next() < others.length * 0.2) return [random.pick(others)];
  return random.next() < TOGETHER ? [api!, random.pick(others)] : [api!];
};

const bucketOf = ({ settings }: S3Server): { [name: string]: string } => ({
  MODULEHUB_S3_ENDPOINT: settings.endpoint,
  MODULEHUB_S3_BUCKET: settings.bucket,
  MODULEHUB_S3_ACCESS_KEY_ID: settings.credentials.accessKeyId,
  MODULEHUB_S3_SECRET_ACCESS_KEY: settings.credentials.secretAccessKey,
});

/** Looks until the hub answers, or it is over. */
async function settle(hub: Hub, publisher: Publisher, random: Random, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    if (await verify(hub, publisher, random)) return;
    await sleep(50);
  }
}

/** A hub whose parts all run must answer before long: in half a minute. */
async function untilAnswered(hub: Hub, publisher: Publisher, random: Random, all = false): Promise<void> {
  const until = Date.now() + 30_000;
  while (!(await verify(hub, publisher, random, all))) {
    if (Date.now() > until) throw new Violation("the hub does not answer again although all its parts run");
    await sleep(50);
  }
}
