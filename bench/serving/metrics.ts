interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** What a service told at `/metrics`, in Prometheus's text form. */
export class Metrics {
  readonly #samples: Sample[];

  constructor(text: string) {
    this.#samples = text.split("\n").flatMap((line): Sample[] => {
      const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!found) return [];
      const labels = [...(found[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]);
      return [{ name: found[1]!, labels: Object.fromEntries(labels), value: Number(found[3]) }];
    });
  }

  /** The sum of a metric over its labels, or over those samples that have these; 0 where there is none. */
  sum(name: string, labels: Record<string, string> = {}): number {
    return this.#of(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  /** A histogram's cumulative counts by upper bound, since an earlier look. */
  buckets(name: string, labels: Record<string, string>, before: Metrics): [bound: number, count: number][] {
    const bounds = [...new Set(this.#of(`${name}_bucket`, labels).map(({ labels: { le } }) => le!))];
    return bounds.map((le): [number, number] => {
      const of = { ...labels, le };
      const bound = le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
      return [bound, this.sum(`${name}_bucket`, of) - before.sum(`${name}_bucket`, of)];
    });
  }

  #of(name: string, labels: Record<string, string>): Sample[] {
    return this.#samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  }
}
