import { byteText } from "./byte-text.ts";

const BAR = 24;

/** What is written to: a terminal, or anything else. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/**
 * Shows how far a piece of work is: on a terminal one line that is drawn over and over, elsewhere one line when
 * a phase begins.
 */
export class Progress {
  readonly #stream: ProgressStream;
  #phase = "";
  #drawn = false;
  #tenth = 0;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  /** A phase whose end can't be foretold. */
  phase(name: string): void {
    if (name === this.#phase) return;
    this.#phase = name;
    if (this.#stream.isTTY) this.#draw(`${name} …`);
    else this.#stream.write(`${name}\n`);
  }

  /** A phase of so many bytes. */
  bytes(name: string, done: number, total: number, detail: string): void {
    if (!this.#stream.isTTY) {
      if (name !== this.#phase) this.#stream.write(`${name} ${byteText(total)}\n`);
      this.#phase = name;
      return;
    }
    this.#phase = name;
    const share = total === 0 ? 1 : done / total;
    const full = Math.round(share * BAR);
    const bar = "█".repeat(full) + "░".repeat(BAR - full);
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    this.#draw(`${name.padEnd(9)} ${bar} ${percent} % of ${byteText(total)}  ${detail}`);
  }

  /**
   * A phase of so many steps, with what is to be said of them. Elsewhere than on a terminal a line at its beginning and
   * one at every tenth: it may take long.
   */
  steps(name: string, done: number, total: number, detail: string): void {
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const line = `${name} ${done} of ${total}${detail === "" ? "" : `  ${detail}`}`;
    if (this.#stream.isTTY) {
      const full = Math.round(share * BAR);
      this.#draw(`${"█".repeat(full)}${"░".repeat(BAR - full)} ${line}`);
    } else if (name !== this.#phase || Math.floor(share * 10) > this.#tenth) this.#stream.write(`${line}\n`);
    this.#phase = name;
    this.#tenth = Math.floor(share * 10);
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Wipes the line that is being drawn over; whatever is written next begins clean. */
  clear(): void {
    if (this.#drawn) this.#stream.write("\r\u001b[2K");
    this.#drawn = false;
  }

  #draw(text: string): void {
    const columns = this.#stream.columns ?? 80;
    this.#stream.write(`\r\u001b[2K${text.slice(0, columns - 1)}`);
    this.#drawn = true;
  }
}
