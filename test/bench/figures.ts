/** What is measured. `goal` is the ratio of this server to docker-registry that we want. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly goal?: string;
}

export const figures = {
  manifestGet: { name: 'manifest GET by tag, warm', unit: '1/s', goal: '≥ 5' },
  manifestCpu: { name: '… processor time for each', unit: 'µs' },
  manifestHead: { name: 'manifest HEAD by tag, warm', unit: '1/s', goal: '≥ 5' },
  imageWarm: { name: 'small images, warm', unit: '1/s', goal: '≥ 5' },
  imageCold: { name: 'small images, cold', unit: '1/s' },
  lag: { name: '… greatest lag of the index behind 1 … 64 clients', unit: 'ms', goal: 'we: < 1,000' },
  lost: { name: '… images lost by a SIGKILL that clients had for 1 s', unit: '', goal: 'we: 0' },
  shared: { name: 'two images that share layers: answers that are not 200', unit: '', goal: 'we: 0' },
  layerFirstByte: { name: '4 MiB layers, cold, time to first byte', unit: 'ms', goal: '≤ 0.5' },
  coldBlob: { name: '256 MiB blob, cold', unit: 'MB/s', goal: '≥ 0.4' },
  coldFirstByte: { name: '… time to first byte', unit: 'ms', goal: '≤ 0.5' },
  coldCpu: { name: '… processor time', unit: 'ms' },
  limitedBlob: { name: '256 MiB blob, cold, upstream at 1 Gbit/s', unit: 'MB/s' },
  limitedShare: { name: '… of what upstream gives directly', unit: '×', goal: 'we: ≥ 0.95' },
  limitedFirstByte: { name: '… time to first byte', unit: 'ms', goal: '≤ 0.5' },
  crowd: { name: '256 MiB blob, cold, 20 clients', unit: 'MB/s' },
  crowdFirstByte: { name: '… time to first byte, median client', unit: 'ms' },
  crowdGets: { name: '… GETs at upstream', unit: '', goal: 'we: 1' },
  cachedBlob: { name: '256 MiB blob, cached, 10 clients', unit: 'MB/s', goal: '≥ 1.2' },
  cachedCpu: { name: '… processor time for each GiB', unit: 'ms' },
  memory: { name: 'memory after the run', unit: 'MiB' },
  slowReaders: { name: 'memory: ten 1 GiB blobs stream, 500 slow readers', unit: 'MiB', goal: 'we: < 200' },
} as const satisfies Readonly<Record<string, Figure>>;

export type FigureKey = keyof typeof figures;
export type Sample = Partial<Readonly<Record<FigureKey, number>>>;
