import { setTimeout as sleep } from "node:timers/promises";
import type { Ending, ServiceProcess } from "./service-process.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
/** A service that ran so long is not in a loop of crashes. */
const HEALTHY_MS = 60_000;

/**
 * Runs a service over and over until it is told to stop: when it dies it is started again after a pause, which
 * doubles while it dies quickly.
 */
export class KeptAlive {
  #current: ServiceProcess;
  #stopped = new AbortController();
  readonly #start: () => ServiceProcess;
  readonly #onRestart: (ending: Ending, pauseMs: number) => void;
  readonly #loop: Promise<void>;

  constructor(
    first: ServiceProcess,
    start: () => ServiceProcess,
    onRestart: (ending: Ending, pauseMs: number) => void,
  ) {
    this.#current = first;
    this.#start = start;
    this.#onRestart = onRestart;
    this.#loop = this.#keep();
  }

  async #keep(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    let started = performance.now();
    for (;;) {
      const ending = await this.#current.ended;
      if (this.#stopped.signal.aborted) return;
      if (performance.now() - started > HEALTHY_MS) pause = FIRST_PAUSE_MS;
      this.#onRestart(ending, pause);
      await sleep(pause, undefined, { signal: this.#stopped.signal }).catch(() => {});
      if (this.#stopped.signal.aborted) return;
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
      started = performance.now();
      this.#current = this.#start();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped.abort();
    await this.#current.stop(graceMs);
    await this.#loop;
  }

  kill(): void {
    this.#stopped.abort();
    this.#current.kill();
  }
}
