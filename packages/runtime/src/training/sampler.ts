import { RandomSequence } from "@modulehub/onnx";

/** Where a sampler is: nothing else is needed to go on from there. */
export interface SamplerPosition {
  epoch: number;
  /** Examples of the epoch that were given already. */
  offset: number;
}

/**
 * Batches of examples: every epoch goes through all of them once, in an order of its own by (seed, epoch); its last
 * batch is short where the number doesn't divide.
 */
export class Sampler {
  private readonly seed: number;
  private readonly batch: number;
  private readonly order: Uint32Array;
  private epoch = -1;
  private offset = 0;

  constructor(examples: number, { seed, batch }: { seed: number; batch: number }, from?: SamplerPosition) {
    this.seed = seed;
    this.batch = batch;
    this.order = new Uint32Array(examples);
    this.begin(from?.epoch ?? 0);
    this.offset = from?.offset ?? 0;
  }

  get position(): SamplerPosition {
    return { epoch: this.epoch, offset: this.offset };
  }

  /** How many examples the next batch has. */
  get nextSize(): number {
    const left = this.order.length - this.offset;
    return Math.min(this.batch, left > 0 ? left : this.order.length);
  }

  next(): Uint32Array {
    if (this.offset >= this.order.length) this.begin(this.epoch + 1);
    const examples = this.order.slice(this.offset, this.offset + this.batch);
    this.offset += examples.length;
    return examples;
  }

  /** Fisher and Yates' shuffle, as in Knuth, The Art of Computer Programming 2, 3.4.2. */
  private begin(epoch: number): void {
    const random = new RandomSequence(this.seed, "shuffle", epoch);
    for (let at = 0; at < this.order.length; at++) this.order[at] = at;
    for (let last = this.order.length - 1; last > 0; last--) {
      const other = random.below(last + 1);
      const example = this.order[last]!;
      this.order[last] = this.order[other]!;
      this.order[other] = example;
    }
    this.epoch = epoch;
    this.offset = 0;
  }
}
