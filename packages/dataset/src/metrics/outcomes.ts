/** A bit an example, the first the highest of its byte: whether it was right. */
export class Outcomes {
  #bytes = new Uint8Array(1024);
  #count = 0;

  add(right: boolean): void {
    const at = this.#count++;
    if (at >> 3 === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    if (right) this.#bytes[at >> 3]! |= 0x80 >> (at & 7);
  }

  base64(): string {
    return Buffer.from(this.#bytes.subarray(0, (this.#count + 7) >> 3)).toString("base64");
  }
}

/** How often only the first, and only the second of two rows of outcomes is right. */
export function discordance(first: string, second: string): { onlyFirst: number; onlySecond: number } {
  const [a, b] = [Buffer.from(first, "base64"), Buffer.from(second, "base64")];
  let [onlyFirst, onlySecond] = [0, 0];
  for (let at = 0; at < a.length; at++) {
    onlyFirst += bits(a[at]! & ~b[at]!);
    onlySecond += bits(b[at]! & ~a[at]!);
  }
  return { onlyFirst, onlySecond };
}

function bits(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count += 1;
  return count;
}
