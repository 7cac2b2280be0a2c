import { problem } from "@modulehub/core";
import type { DataLimits } from "../example.ts";
import { FREE_UNPACKED_BYTES } from "../limits.ts";

/**
 * Counts what comes out of a file, and throws `data-too-large` when it is more than good data would be. Archives that
 * unpack without end are stopped here, whatever their headers say.
 */
export class UnpackedBudget {
  readonly #limits: DataLimits;
  #packed = 0;
  #unpacked = 0;

  constructor(limits: DataLimits) {
    this.#limits = limits;
  }

  /** Bytes that were read from the file. */
  packed(bytes: number): void {
    this.#packed += bytes;
  }

  /** Bytes that came out. */
  unpacked(bytes: number): void {
    this.#unpacked += bytes;
    const { unpackedBytes, unpackedRatio } = this.#limits;
    if (this.#unpacked > unpackedBytes)
      throw problem("data-too-large", `The data set unpacks to more than ${unpackedBytes} bytes.`);
    if (this.#unpacked > Math.max(FREE_UNPACKED_BYTES, this.#packed * unpackedRatio))
      throw problem(
        "data-too-large",
        `The data set unpacks to more than ${unpackedRatio} times its size, which no good data does.`,
      );
  }
}
