import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collector = NonNullable<typeof globalThis.gc>;

let exposed: Collector | undefined;

/**
 * Has V8 collect garbage, for processes through which many bytes go. Their buffers lie outside of JavaScript's heap, which
 * hardly grows by them: left to itself V8 lets tens of megabytes of them lie, and then looks through all that it has.
 *
 * @param type `minor` looks through what is young only, which takes less than a millisecond where little lives; `major`
 * through everything, which takes tens
 */
export function collectGarbage(type: "minor" | "major"): void {
  exposed ??= exposedCollector();
  exposed({ type });
}

function exposedCollector(): Collector {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

/**
 * Bytes of buffers after which they are swept. By itself V8 does that after some 10 MB, and looks through all that it has:
 * a worker that was sent 600 KB at a time stopped for 25 ms at every ninth request (npm run bench -- serving --only
 * image-tensor).
 */
const SWEEP_AFTER = 1024 * 1024;

/** Sweeps buffers that a process lets go of, now and then. */
export class BufferSweep {
  #bytes = 0;

  /** To be told of buffers that nobody holds any more, or won't in a moment: they are swept when this turn is over. */
  letGo(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < SWEEP_AFTER) return;
    this.#bytes = 0;
    setImmediate(collectGarbage, "minor");
  }
}
