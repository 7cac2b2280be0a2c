import {
  type InspectRequest,
  type InspectResponse,
  type ProblemCode,
  problem,
  type VersionFile,
} from "@modulehub/core";
import { type ChildLimits, startChild } from "../engines/child-process.ts";
import { readFrames } from "../engines/frames.ts";
import { residentBytes } from "../engines/resident-memory.ts";
import { diskFull } from "../modules/disk-full.ts";
import type { ModuleCache } from "../modules/module-cache.ts";
import { pathFault } from "../modules/module-folder.ts";
import { fetchDeadline } from "../modules/source.ts";
import {
  type ChildMessage,
  type ChildTask,
  childMessageSchema,
  INSPECTION_TIMES,
  type InspectionTimes,
} from "./child-messages.ts";

/** Time that a child has to begin. */
const START_MS = 30_000;
const WATCH_MS = 100;
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** How an inspecting process came to its end. */
interface ChildEnd {
  /** The last word that it said about the outcome. */
  outcome: Exclude<ChildMessage, { kind: "phase" }> | undefined;
  /** What it was doing; undefined where it never began. */
  phase: string | undefined;
  killed: "timeout" | "memory" | undefined;
  signal: string | null;
  stderr: string;
}

/**
 * Inspects drafts, one after the other: fetches their files, verified, then has a limited child check, load and
 * run them. However the child ends, this says which of the module's faults it was; what is the world's fault (files
 * that can't be fetched, a child that can't be started) is thrown instead.
 */
export class Inspector {
  readonly #modules: ModuleCache;
  readonly #limits: ChildLimits;
  readonly #threads: number;
  readonly #times: Partial<InspectionTimes>;
  #tail: Promise<unknown> = Promise.resolve();

  /** @param threads those that a run uses */
  constructor(
    modules: ModuleCache,
    limits: ChildLimits,
    threads: number,
    times: Partial<InspectionTimes> = {},
  ) {
    this.#modules = modules;
    this.#limits = limits;
    this.#threads = threads;
    this.#times = times;
  }

  /**
   * Throws `store-unavailable`, `blob-not-found`, `worker-unavailable`: the world's faults. An aborted signal takes
   * the draft out of the line, or ends its child, and throws the signal's reason.
   */
  inspect(request: InspectRequest, signal?: AbortSignal): Promise<InspectResponse> {
    const turn = this.#tail.then(() => this.#inspectNow(request.files, signal));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #inspectNow(files: VersionFile[], signal?: AbortSignal): Promise<InspectResponse> {
    signal?.throwIfAborted();
    const empty = files.filter(({ size, role }) => size === 0 && role === "graph");
    if (empty.length > 0)
      return rejected(empty.map(({ path }) => ({ code: "file-empty", detail: `${path} is empty.` })));
    const fault = pathFault(files);
    if (fault) return rejected([{ code: "invalid-path", detail: fault }]);
    const late = fetchDeadline();
    const fetching = signal ? AbortSignal.any([signal, late]) : late;
    return this.#modules.withDraft(files, fetching, async (folder) => {
      const task = {
        folder,
        files: files.map(({ path, size }) => ({ path, size })),
        threads: this.#threads,
        times: { ...INSPECTION_TIMES, ...this.#times },
      };
      // Aborted while its files were put in place.
      signal?.throwIfAborted();
      const end = await runChild(task, this.#limits, signal);
      signal?.throwIfAborted();
      return judge(end, this.#limits);
    });
  }
}

function runChild(task: ChildTask, limits: ChildLimits, signal?: AbortSignal): Promise<ChildEnd> {
  return new Promise((resolve) => {
    const entry = new URL("./inspection-child.ts", import.meta.url);
    const { child, pipe, stderr } = startChild(entry, { ...task }, limits);
    const end: ChildEnd = {
      outcome: undefined,
      phase: undefined,
      killed: undefined,
      signal: null,
      stderr: "",
    };
    const kill = (why: "timeout" | "memory") => {
      end.killed ??= why;
      child.kill("SIGKILL");
    };
    let overdue = setTimeout(kill, START_MS, "timeout");
    let late: NodeJS.Timeout | undefined;
    const giveUp = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", giveUp);
    const watch = setInterval(() => {
      if (residentBytes(child.pid) > limits.memoryBytes) kill("memory");
    }, WATCH_MS);
    pipe.on("error", () => undefined);
    readFrames(
      pipe,
      ({ message }) => {
        const said = childMessageSchema.safeParse(message);
        if (!said.success) child.kill("SIGKILL");
        else if (said.data.kind !== "phase") end.outcome = said.data;
        else {
          end.phase = said.data.name;
          late ??= setTimeout(kill, task.times.totalMs, "timeout");
          clearTimeout(overdue);
          overdue = setTimeout(kill, said.data.ms, "timeout");
        }
      },
      () => child.kill("SIGKILL"),
      MAX_MESSAGE_BYTES,
    );
    const done = (killedBy: string | null) => {
      clearTimeout(overdue);
      clearTimeout(late);
      clearInterval(watch);
      signal?.removeEventListener("abort", giveUp);
      resolve({ ...end, signal: killedBy, stderr: stderr() });
    };
    child.once("error", () => done(null));
    // `close` comes after the last frame was read.
    child.once("close", (_code, killedBy) => done(killedBy));
  });
}

function judge(end: ChildEnd, { memoryBytes }: ChildLimits): InspectResponse {
  const megabytes = Math.round(memoryBytes / 1024 ** 2);
  const phase = end.phase ?? "starting";
  if (end.outcome?.kind === "accepted") return { outcome: "accepted", report: end.outcome.report };
  if (end.outcome?.kind === "rejected")
    return rejected(
      end.outcome.problems.map(({ code, detail }) =>
        code === "out-of-memory"
          ? { code: "inspection-memory", detail: `It took more than ${megabytes} MB while ${phase}.` }
          : { code, detail },
      ),
    );
  if (end.phase === undefined)
    throw problem("worker-unavailable", "The process for inspection could not be started.", {
      retryAfter: 10,
      cause: new Error(`${end.signal} ${end.stderr}`),
    });
  // That there is no room for its graphs is not the module's fault.
  if (/\b(?:ENOSPC|EDQUOT)\b/.test(end.stderr)) throw diskFull(new Error(end.stderr));
  if (end.killed === "timeout")
    return rejected([{ code: "inspection-timeout", detail: `It was stopped while ${phase}.` }]);
  const full = /bad_alloc|out of memory|Cannot allocate memory/i.test(end.stderr);
  // A SIGKILL that isn't ours is the system's, which is out of memory.
  if (end.killed === "memory" || full || end.signal === "SIGKILL")
    return rejected([
      { code: "inspection-memory", detail: `It took more than ${megabytes} MB while ${phase}.` },
    ]);
  return rejected([
    {
      code: "inspection-crashed",
      detail: `It ended${end.signal ? ` by ${end.signal}` : ""} while ${phase}.`,
    },
  ]);
}

const rejected = (faults: { code: ProblemCode; detail: string }[]): InspectResponse => ({
  outcome: "rejected",
  problems: faults.map(({ code, detail }) => problem(code, detail).toDocument()),
});
