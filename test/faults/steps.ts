import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
import { type App, buildApp } from "../../services/api/src/app.ts";
import { openFilesystemStore } from "../../services/api/src/blobs/filesystem-store.ts";
import { openDatabase } from "../../services/api/src/database/client.ts";
import { migrate } from "../../services/api/src/database/migrate.ts";
import { connectWorker } from "../../services/api/src/gateway/worker-client.ts";
import { createIdentity } from "../../services/api/src/identity/identity.ts";
import { type Hub, send } from "./caller.ts";
import { databaseOf, Life, storeOf } from "./lives.ts";
import { workerPart } from "./parts/processes.ts";
import { Publisher, Violation } from "./publisher.ts";
import { randomFrom } from "./random.ts";
import { verify } from "./verify.ts";

export interface StepOptions {
  seed: number;
  count: number;
  /** Milliseconds after which no more lives begin. */
  time?: number;
  /** Given when no more faults are wanted. */
  stop?: AbortSignal;
  database: "embedded" | "postgresql";
  say?: (line: string) => void;
}

export interface StepResult {
  /** How often a life ended at a step. */
  faults: Map<string, number>;
  answered: number;
  versions: number;
}

const ADMIN = "an-admin-token-for-tests-that-is-long-enough";
const WORKER_TOKEN = "a-worker-token-for-tests";

/**
 * A life ends within so many steps, of which a change has about thirty; the next effect fails within so many. Some lives
 * are short, and some faults come close upon each other: what is to repair one meets the next. Between others there is
 * room for a whole change, without which nothing would ever be answered.
 */
const STEPS = [60, 300, 1_500];
const FAULT_STEPS = [8, 20, 60, 240];

/** Clients at once, each with modules of its own. */
const CLIENTS = 3;

/** A module that has so many versions is left for a new one. */
const VERSIONS = 10;

/**
 * The API in this process, on an embedded database in memory and a folder, dies again and again: at a step between two
 * effects on database or store, of which there is none that is not counted. Before, single effects fail, or are made and
 * their answer is lost. After each fault everything that was answered is compared with what is there. Throws `Violation`, with the seed and the history's file.
 */
export async function runSteps(options: StepOptions): Promise<StepResult> {
  const { seed, count, time = Infinity, say = () => undefined } = options;
  const random = randomFrom(seed);
  const begun = Date.now();
  const history: string[] = [];
  const note = (line: string) => {
    history.push(line);
    if (history.length > 4_000) history.splice(0, 1_000);
  };
  const data = await mkdtemp(join(tmpdir(), "modulehub-steps-"));
  const postgresql =
    options.database === "postgresql"
      ? await startPostgresql({ settings: ["fsync=off", "synchronous_commit=off"] })
      : undefined;
  const database = await openDatabase(
    postgresql === undefined ? { kind: "memory" } : { kind: "postgresql", url: postgresql.url },
  );
  await migrate(database);
  const store = await openFilesystemStore(data);
  const part = await workerPart();
  await part.start();
  const worker = connectWorker({ url: part.url, token: WORKER_TOKEN });
  let url = "";
  const hub: Hub = { url: () => url, token: ADMIN };
  const live = async (life: Life): Promise<App> => {
    const own = databaseOf(life, database);
    const app = await buildApp({
      database: own,
      store: storeOf(life, store),
      worker,
      identity: createIdentity(own, { admin: ADMIN, worker: WORKER_TOKEN }),
      publicUrl: () => url,
      partSize: 65_536,
      maxInferenceBytes: 1_048_576,
      retries: { limit: 2, delay: 0 },
      logLevel: "silent",
    });
    url = await app.listen({ host: "127.0.0.1", port: 0 });
    return app;
  };
  const result: StepResult = { faults: new Map(), answered: 0, versions: 0 };
  let app: App | undefined;
  try {
    app = await live(new Life());
    await send(hub, "POST", "/v1/publishers", { id: "acme" });
    await app.close();
    let named = 0;
    const newPublisher = () => new Publisher(hub, `acme/m${++named}`, random, note);
    const active = Array.from({ length: CLIENTS }, newPublisher);
    let faults = 0;
    const hit = (fault: string) => {
      faults++;
      result.faults.set(fault, (result.faults.get(fault) ?? 0) + 1);
      if (faults % 500 === 0) say(`${faults} faults, ${result.answered} changes answered`);
    };
    for (let lives = 0; faults < count && Date.now() - begun < time && !options.stop?.aborted; lives++) {
      const life = new Life();
      const over = new AbortController();
      const end = life.end.then((step) => {
        over.abort();
        note(`── life ${lives} ends ${step}`);
        hit(`death ${step}`);
      });
      app = await live(life);
      for (const publisher of active) await untilSeen(hub, publisher);
      if (lives % 10 === 9) for (const publisher of active) await publisher.finish();
      for (const [index, publisher] of active.entries()) {
        if (publisher.record.versions.size < VERSIONS) continue;
        await publisher.finish();
        await untilSeen(hub, publisher, true);
        result.versions += publisher.record.versions.size;
        active[index] = newPublisher();
      }
      life.failNowAndThen((step) => {
        note(`── fails ${step}`);
        if (step !== "") hit(`failure ${step}`);
        return 1 + random.below(random.pick(FAULT_STEPS));
      });
      life.endWithin(1 + random.below(random.pick(STEPS)));
      await Promise.all(
        active.map(async (publisher) => {
          while (!over.signal.aborted)
            if (await publisher.step(over.signal)) result.answered++;
            else while (!over.signal.aborted && !(await verify(hub, publisher, random))) await sleep(10);
        }),
      );
      await end;
      await app.close();
      app = undefined;
    }
    return result;
  } catch (error) {
    const file = join(tmpdir(), `modulehub-steps-${seed}.log`);
    await writeFile(file, `${history.join("\n")}\n${String(error)}\n`);
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`${said} (seed ${seed}, history in ${file})`, { cause: error });
  } finally {
    await app?.close();
    await worker.close();
    await part.kill();
    await database.close();
    await postgresql?.stop();
    await rm(data, { recursive: true, force: true });
  }

  async function untilSeen(at: Hub, publisher: Publisher, all = false): Promise<void> {
    for (let tries = 0; !(await verify(at, publisher, random, all)); tries++) {
      if (tries > 100) throw new Violation("the hub does not answer");
      await sleep(20);
    }
  }
}
