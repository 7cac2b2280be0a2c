import { spawnSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Hub, send } from "../caller.ts";
import { apiPart, workerPart } from "../parts/processes.ts";
import { Publisher, Violation } from "../publisher.ts";
import { randomFrom } from "../random.ts";
import type { Record } from "../record.ts";
import { verify } from "../verify.ts";
import { Disk, type Fate } from "./disk.ts";
import { readCalls, straceArguments } from "./system-calls.ts";

/** Whether processes can be traced here. */
export const canTrace = (): boolean => spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

export interface CutOptions {
  seed: number;
  /** Changes that are made before the trace ends. */
  changes: number;
  /** Moments at which the power is cut, each with a disk of its own luck. */
  cuts: number;
  /** Syncs that the trace is made to forget: a test of the test. */
  forget?: (path: string) => boolean;
}

export interface CutResult {
  calls: number;
  syncs: number;
  cuts: number;
  versions: number;
}

/** What was acknowledged by a moment. */
interface Moment {
  at: number;
  records: Record[];
}

const now = (): number => performance.timeOrigin + performance.now();

/**
 * An embedded hub is traced while clients change things, system call by system call. Then, for moments in between, the
 * disk is rebuilt from what had been synced by then, a hub is started on it, and compared with what its clients had
 * been told. Throws `Violation`.
 */
export async function cutPower({
  seed,
  changes,
  cuts,
  forget = () => false,
}: CutOptions): Promise<CutResult> {
  const random = randomFrom(seed);
  const folder = await mkdtemp(join(tmpdir(), "modulehub-power-"));
  const [data, before, log] = [join(folder, "data"), join(folder, "before"), join(folder, "calls")];
  const worker = await workerPart();
  await worker.start();
  let url = "";
  let token = "";
  const hub: Hub = {
    url: () => url,
    get token() {
      return token;
    },
  };
  const use = async (api: ReturnType<typeof apiPart>) => {
    await api.start();
    [url, token] = [api.url(), api.token()];
  };
  try {
    const first = apiPart("api", { data, workerUrl: worker.url });
    await use(first);
    await send(hub, "POST", "/v1/publishers", { id: "acme" });
    await first.kill();
    await cp(data, before, { recursive: true });
    const traced = apiPart("api", {
      data,
      workerUrl: worker.url,
      through: ["strace", ...straceArguments(log)],
    });
    await use(traced);
    const publishers = [1, 2].map((n) => new Publisher(hub, `acme/m${n}`, random, () => undefined));
    const moments: Moment[] = [];
    const remember = () =>
      moments.push({ at: now(), records: structuredClone(publishers.map(({ record }) => record)) });
    const stop = new AbortController();
    const atRandom = (async () => {
      for (; !stop.signal.aborted; await sleep(random.below(80))) remember();
    })();
    await Promise.all(
      publishers.map(async (publisher) => {
        for (let step = 0; step < changes / publishers.length; step++) {
          if (!(await publisher.step())) throw new Error("the traced hub did not answer");
          remember();
        }
      }),
    );
    stop.abort();
    await atRandom;
    await traced.kill();
    const calls = (await readCalls(log, data)).filter((call) => call.kind !== "sync" || !forget(call.path));
    const disk = new Disk(data, before, calls);
    const result: CutResult = {
      calls: calls.length,
      syncs: calls.filter(({ kind }) => kind === "sync").length,
      cuts: 0,
      versions: 0,
    };
    for (let cut = 0; cut < cuts; cut++) {
      const { at, records } = random.pick(moments);
      const fate: Fate = random.pick(["nothing", "some", "some", "everything"] as const);
      const rebuilt = join(folder, `cut-${cut}`);
      await disk.cut(at, fate, random, rebuilt);
      const api = apiPart("api", { data: rebuilt, workerUrl: worker.url });
      try {
        await use(api);
        for (const record of structuredClone(records)) {
          const publisher = new Publisher(hub, record.module, random, () => undefined, { record });
          if (!(await verify(hub, publisher, random, true))) throw new Violation("the hub does not answer");
          for (const id of record.drafts.keys()) await publisher.goOn(id);
          for (const id of record.uploads.keys()) await publisher.goOnUploading(id);
          if (!(await verify(hub, publisher, random, true))) throw new Violation("the hub does not answer");
          result.versions += record.versions.size;
        }
        result.cuts++;
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        throw new Violation(`cut ${cut} (seed ${seed}, ${fate} of what was not synced): ${said}`, {
          cause: error,
        });
      } finally {
        await api.kill();
        await rm(rebuilt, { recursive: true, force: true });
      }
    }
    return result;
  } finally {
    await worker.kill();
    await rm(folder, { recursive: true, force: true });
  }
}
