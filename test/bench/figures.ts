import type { Measurement } from './measurement.ts';

/** What is measured. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** What the processor time beside it is for. */
  readonly per?: string;
}

export const figures = {
  imageWarm: { name: 'small images, cached, settled', unit: 'images/s', per: 'image' },
  imageBehind: { name: 'small images, cached, right behind cold', unit: 'images/s', per: 'image' },
  imageCold: { name: 'small images, cold', unit: 'images/s', per: 'image' },
  settling: { name: 'small images, cold and asked for again, until it has settled', unit: 'ms' },
  manifestGet: { name: 'manifest GET by tag, cached', unit: '1/s', per: 'request' },
  manifestDigest: { name: 'manifest GET by digest, cached', unit: '1/s', per: 'request' },
  manifestHead: { name: 'manifest HEAD by tag, cached', unit: '1/s', per: 'request' },
  lag: { name: 'small images, cold: greatest lag of the index behind 1 … 64 clients', unit: 'ms' },
  lost: { name: 'small images, cold: lost by a SIGKILL that clients had for 1 s', unit: 'images' },
  shared: { name: 'two images that share layers: answers that are not 200', unit: 'answers' },
  layerFirstByte: { name: 'a blob of 4 MiB, cold, time to first byte', unit: 'ms' },
  coldBlob: { name: 'an image of 256 MiB, cold', unit: 'MB/s', per: 'GiB' },
  coldFirstByte: { name: 'an image of 256 MiB, cold, time to first byte', unit: 'ms' },
  limitedBlob: { name: 'an image of 256 MiB, cold, upstream at 1 Gbit/s', unit: 'MB/s', per: 'GiB' },
  limitedShare: { name: 'an image of 256 MiB, cold, of what upstream at 1 Gbit/s gives directly', unit: '×' },
  limitedFirstByte: {
    name: 'an image of 256 MiB, cold, upstream at 1 Gbit/s, time to first byte',
    unit: 'ms',
  },
  crowd: { name: 'an image of 256 MiB, cold, 20 clients', unit: 'MB/s', per: 'GiB' },
  crowdFirstByte: {
    name: 'an image of 256 MiB, cold, 20 clients, time to first byte in the median',
    unit: 'ms',
  },
  crowdGets: { name: 'an image of 256 MiB, cold, 20 clients, GETs at upstream', unit: 'requests' },
  cachedBlob: { name: 'an image of 256 MiB, cached, 10 clients', unit: 'MB/s', per: 'GiB' },
  pushedImage: { name: 'small images, pushed by 8 clients', unit: 'images/s', per: 'image' },
  pushedBlob: { name: 'an image of 1 GiB, pushed', unit: 'MB/s', per: 'GiB' },
  pushedCrowd: { name: 'images of 16 MiB, pushed by 20 clients', unit: 'MB/s', per: 'GiB' },
  start: { name: 'start with 100,000 manifests, until the first right answer', unit: 'ms', per: 'start' },
  loopP99: {
    name: 'ten blobs of 1 GiB stream, manifests are asked: delay of the event loop, p99',
    unit: 'ms',
  },
  loopMost: {
    name: 'ten blobs of 1 GiB stream, manifests are asked: delay of the event loop, most',
    unit: 'ms',
  },
  memory: { name: 'memory after the run', unit: 'MiB' },
  slowReaders: { name: 'ten blobs of 1 GiB stream, 500 slow readers: most memory', unit: 'MiB' },
} as const satisfies Readonly<Record<string, Figure>>;

export type FigureKey = keyof typeof figures;
/** What a scenario has found out about a server. */
export type Sample = Partial<Readonly<Record<FigureKey, Measurement>>>;
