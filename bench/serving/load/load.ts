import { type ChildProcess, fork } from "node:child_process";
import type { FromGenerator, LoadJob, LoadReport, ToGenerator } from "./contract.ts";

/** A load generator in a process of its own. Jobs may run at the same time; their CPU time is then common. */
export class Load {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (report: LoadReport) => void>();
  #nextId = 1;

  constructor() {
    this.#child = fork(new URL("./generator.ts", import.meta.url), [], { serialization: "advanced" });
    this.#child.on("message", (message: FromGenerator) => {
      this.#waiting.get(message.id)?.(message.report);
      this.#waiting.delete(message.id);
    });
  }

  /** Runs a job to its end. */
  run(job: LoadJob): Promise<LoadReport> {
    return this.start(job).report;
  }

  /** Runs a job until its end, or until it is stopped: then what is under way is still waited for. */
  start(job: LoadJob): { report: Promise<LoadReport>; stop(): void } {
    const id = this.#nextId++;
    const report = new Promise<LoadReport>((resolve, reject) => {
      this.#waiting.set(id, resolve);
      this.#child.once("exit", () => reject(new Error("the load generator ended")));
    });
    this.#send({ id, job });
    return { report, stop: () => this.#send({ id, stop: true }) };
  }

  close(): void {
    this.#child.disconnect();
  }

  #send(message: ToGenerator): void {
    this.#child.send(message);
  }
}
