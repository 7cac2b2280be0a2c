import { type ProblemError, problem } from "@modulehub/core";

/** The least that a sender has to send, in bytes, in so many milliseconds. */
export interface Pace {
  bytes: number;
  milliseconds: number;
}

/** As the gateway has it: about 1 KiB a second. */
export const LEAST_PACE: Pace = { bytes: 32_768, milliseconds: 30_000 };

interface Sender {
  bytes: number;
  end(refusal: ProblemError): void;
}

/** One body on its way in. */
export interface Intake {
  /** To be told of each piece that is kept. */
  took(bytes: number): void;
  /** The body is whole, or given up. */
  close(): void;
}

/**
 * Bodies that are on their way in hold memory, and nothing else: no place in the queue, no engine. Together they hold
 * a bounded amount; where more comes, the one that has been at it for the longest is ended, so that senders who dawdle
 * make room for those who don't. Who doesn't keep the pace, or isn't done by the deadline, is ended too.
 */
export class BodyIntake {
  readonly #mostBytes: number;
  readonly #pace: Pace;
  readonly #senders = new Set<Sender>();
  #bytes = 0;

  /** @param mostBytes bytes that all bodies on their way in may hold together */
  constructor(mostBytes: number, pace: Pace = LEAST_PACE) {
    this.#mostBytes = mostBytes;
    this.#pace = pace;
  }

  /** Bytes that bodies on their way in hold now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param deadline on performance.now()'s clock
   * @param end called at most once, with `request-timeout` or `too-many-requests`; the intake is closed then
   */
  open(deadline: number, end: (refusal: ProblemError) => void): Intake {
    const close = () => {
      clearTimeout(timer);
      if (this.#senders.delete(sender)) this.#bytes -= sender.bytes;
    };
    const sender: Sender = {
      bytes: 0,
      end: (refusal) => {
        close();
        end(refusal);
      },
    };
    let before = 0;
    const look = () => {
      if (sender.bytes - before < this.#pace.bytes || performance.now() >= deadline)
        sender.end(problem("request-timeout"));
      else watch();
    };
    const watch = () => {
      before = sender.bytes;
      const left = Math.max(0, deadline - performance.now());
      timer = setTimeout(look, Math.min(this.#pace.milliseconds, left));
    };
    let timer: NodeJS.Timeout | undefined;
    this.#senders.add(sender);
    watch();
    return {
      took: (bytes) => {
        sender.bytes += bytes;
        this.#bytes += bytes;
        this.#makeRoom();
      },
      close,
    };
  }

  #makeRoom(): void {
    for (const oldest of this.#senders) {
      if (this.#bytes <= this.#mostBytes) return;
      if (oldest.bytes > 0)
        oldest.end(
          problem("too-many-requests", "Too many bodies are on their way at once.", { retryAfter: 1 }),
        );
    }
  }
}
