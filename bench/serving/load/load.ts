import { type ChildProcess, fork } from "node:child_process";
import type { FromGenerator, LoadJob, LoadReport, ToGenerator } from "./contract.ts";

/** A load generator in a process of its own. Jobs may run at the same time; their CPU time is then common. */
export class Load {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<LoadReport>>();
  #nextId = 1;
  #closed = false;

  constructor() {
    this.#child = fork(new URL("./generator.ts", import.meta.url), [], { serialization: "advanced" });
    this.#child.on("message", (message: FromGenerator) => {
      this.#waiting.get(message.id)?.resolve(message.report);
      this.#waiting.delete(message.id);
    });
    this.#child.once("exit", () => {
      if (this.#closed) return;
      for (const { reject } of this.#waiting.values()) reject(new Error("the load generator ended"));
    });
  }

  /** Runs a job to its end. */
  run(job: LoadJob): Promise<LoadReport> {
    return this.start(job).report;
  }

  /** Runs a job until its end, or until it is stopped: then what is under way is still waited for. */
  start(job: LoadJob): { report: Promise<LoadReport>; stop(): void } {
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<LoadReport>();
    this.#waiting.set(id, waiting);
    this.#send({ id, job });
    return { report: waiting.promise, stop: () => this.#send({ id, stop: true }) };
  }

  /** Stops whatever is under way, and waits for it. */
  async stopAll(): Promise<void> {
    const reports = [...this.#waiting].map(([id, { promise }]) => {
      this.#send({ id, stop: true });
      return promise;
    });
    await Promise.allSettled(reports);
  }

  close(): void {
    this.#closed = true;
    this.#child.disconnect();
  }

  #send(message: ToGenerator): void {
    this.#child.send(message);
  }
}
