import { type MetricDescription, prefix } from './metric-table.ts';

/** Values by the bucket that they fall into; the last is for those above all bounds. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0);
  }

  add(value: number): void {
    let index = 0;
    while (value > (this.#bounds[index] ?? Number.POSITIVE_INFINITY)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** Its lines in Prometheus's text format. `labels`: as they stand there, not empty. */
  lines(name: string, labels: string): string[] {
    let count = 0;
    const buckets = this.#counts.map((more, index) => {
      count += more;
      return `${name}_bucket{le="${this.#bounds[index] ?? '+Inf'}",${labels}} ${count}`;
    });
    return [...buckets, `${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${count}`];
  }
}

/** A metric of such, by their labels; the values of labels hold nothing that needs an escape. */
export function histogramText(
  { name, help }: MetricDescription,
  byLabels: ReadonlyMap<string, Histogram>,
): string {
  const full = `${prefix}${name}`;
  const lines = [...byLabels].flatMap(([labels, histogram]) => histogram.lines(full, labels));
  return [`# HELP ${full} ${help}`, `# TYPE ${full} histogram`, ...lines, ''].join('\n');
}
