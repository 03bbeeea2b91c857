/** What is drawn of a dimension. */
export interface Series {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
}

/** What was measured at one place of a dimension. */
export interface Point {
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

/** What any work costs the server, beside the time that clients wait. */
export const costSeries: readonly Series[] = [
  { key: 'cpu', name: 'processor time', unit: 'ms' },
  { key: 'residentMiB', name: 'memory, most', unit: 'MiB' },
  { key: 'descriptors', name: 'open descriptors, most', unit: '' },
  { key: 'delayP99', name: 'delay of the event loop, p99', unit: 'ms' },
];
