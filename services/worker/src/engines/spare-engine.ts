import type { Engine, SpawnEngine } from "./engine.ts";

/**
 * One engine that is kept spawned with nothing in it: Node and ONNX Runtime alone take 90 ms to start, which a load
 * then doesn't wait for.
 */
export class SpareEngine {
  readonly #spawn: SpawnEngine;
  #starting: Promise<Engine> | undefined;
  #live: Engine | undefined;

  constructor(spawn: SpawnEngine) {
    this.#spawn = spawn;
  }

  /** The engine that waits, or a fresh one where there is none. Throws EngineDied where none can be started. */
  async take(): Promise<Engine> {
    const spare = this.#starting;
    this.#starting = undefined;
    this.#live = undefined;
    // It may have died while nobody looked.
    return (await spare?.catch(() => undefined)) ?? (await this.#spawn());
  }

  /** Starts one, unless one is there. */
  refill(): void {
    if (this.#starting) return;
    const spare = this.#spawn();
    this.#starting = spare;
    const forget = () => {
      if (this.#starting !== spare) return;
      this.#starting = undefined;
      this.#live = undefined;
    };
    spare.then(
      (engine) => {
        if (this.#starting === spare) this.#live = engine;
        void engine.exited.then(forget);
      },
      // The next load tries again, and says what is wrong to who waits for it.
      forget,
    );
  }

  /** Bytes that it holds now. */
  residentBytes(): number {
    return this.#live?.residentBytes() ?? 0;
  }

  /** Ends it to make room; false where there is none. */
  give(): boolean {
    if (!this.#live) return false;
    this.#live.kill();
    return true;
  }

  /** Ends it, also one that is just being started. */
  async close(): Promise<void> {
    const engine = await this.#starting?.catch(() => undefined);
    engine?.kill();
    await engine?.exited;
  }
}
