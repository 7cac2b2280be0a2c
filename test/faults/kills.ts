import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgresql } from "@modulehub/api/testing/postgresql-server";
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
  database: "embedded" | "postgresql";
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
  const note = (line: string) => {
    history.push(`${((Date.now() - begun) / 1_000).toFixed(3)} ${line}`);
    if (history.length > HISTORY) history.splice(0, HISTORY / 4);
  };
  const data = await mkdtemp(join(tmpdir(), "modulehub-kills-"));
  const postgresql = options.database === "postgresql" ? await startPostgresql() : undefined;
  if (options.database === "postgresql" && postgresql === undefined)
    throw new Error("PostgreSQL is not installed");
  const worker = await workerPart();
  const databaseUrl = postgresql?.url;
  const api = apiPart("api", {
    data,
    workerUrl: worker.url,
    ...(databaseUrl !== undefined && { databaseUrl }),
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
  ];
  const result: KillResult = { faults: new Map(), answered: 0, unanswered: 0, versions: 0 };
  try {
    await worker.start();
    await api.start();
    const made = await send(hub, "POST", "/v1/publishers", { id: "acme" });
    if (made.kind !== "done") throw new Error(`acme could not be made: ${JSON.stringify(made)}`);
    let named = 0;
    const newPublisher = () => new Publisher(hub, `acme/m${++named}`, random, note);
    const active = Array.from({ length: clients }, newPublisher);
    const left: Publisher[] = [];
    for (let kills = 0; kills < options.count && Date.now() - begun < (options.time ?? Infinity); kills++) {
      const part = choose(parts, random);
      note(`── ${kills}: ${part.name} is to be killed`);
      const stop = new AbortController();
      const working = active.map(async (publisher) => {
        while (!stop.signal.aborted) {
          const done = await publisher.step(stop.signal);
          result[done ? "answered" : "unanswered"]++;
          // Until what came of it is known, nothing may rest on it.
          if (!done && !stop.signal.aborted) await settle(hub, publisher, random, stop.signal);
        }
      });
      await sleep(random.next() ** 2 * 600);
      await part.kill();
      note(`── killed`);
      result.faults.set(part.name, (result.faults.get(part.name) ?? 0) + 1);
      // The others go on without it for a moment: what they answer then is an answer too.
      if (part !== api) await sleep(random.below(100));
      await part.start();
      if (part !== api) await sleep(random.below(200));
      stop.abort();
      await Promise.all(working);
      await Promise.all(active.map((publisher) => untilAnswered(hub, publisher, random)));
      for (const [index, publisher] of active.entries()) {
        if (publisher.record.versions.size < VERSIONS) continue;
        left.push(publisher);
        active[index] = newPublisher();
      }
      if ((kills + 1) % 25 === 0)
        say(`${kills + 1} kills, ${result.answered} changes answered, ${result.unanswered} not`);
    }
    for (const publisher of [...left, ...active]) {
      await untilAnswered(hub, publisher, random, true);
      publisher.finish();
      for (const id of publisher.record.drafts.keys())
        if (!(await publisher.goOn(id))) throw new Violation(`draft ${id} can't be led to its end`);
      for (const id of publisher.record.uploads.keys())
        if (!(await publisher.goOnUploading(id))) throw new Violation(`upload ${id} can't be led to its end`);
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
    await rm(data, { recursive: true, force: true });
  }
}

/** The API most often: it is what can be in the middle of something. */
const choose = (parts: Part[], random: Random): Part => {
  const [api, ...others] = parts;
  return random.next() < 0.6 ? api! : random.pick(others);
};

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
