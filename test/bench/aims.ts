import type { FigureKey } from './figures.ts';

/** What shall be reached. Against nobody it is of the figure itself, in its unit; otherwise of the ratio of this server to another. */
export interface Aim {
  readonly figure: FigureKey;
  /** Of what beside the figure: the processor time of an operation, or the server's for each that the driver spends. */
  readonly of?: 'cpu' | 'share';
  /** Names of peers. Each counts that takes part, and the worst decides. */
  readonly against?: readonly string[];
  /** One of the two. */
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Less than the aim, and what must not be missed. */
  readonly floor?: number;
  /** In each round, and not in the median of all. */
  readonly inEach?: true;
}

/** By these names peers count; others are shown. `ociregistry-go` is the Ociregistry that this program takes the place of. */
const go = ['ociregistry-go', 'distribution', 'zot'];

export const aims: readonly Aim[] = [
  { figure: 'imageWarm', against: go, atLeast: 2.5, floor: 1.3 },
  { figure: 'manifestGet', against: go, atLeast: 3, floor: 1.5 },
  { figure: 'manifestDigest', against: go, atLeast: 2, floor: 1.2 },
  { figure: 'manifestHead', against: go, atLeast: 3, floor: 1.5 },
  { figure: 'manifestGet', against: ['ceiling'], atLeast: 0.6 },
  { figure: 'manifestDigest', against: ['ceiling'], atLeast: 0.6 },
  { figure: 'manifestHead', against: ['ceiling'], atLeast: 0.6 },
  { figure: 'imageCold', against: ['ociregistry-go'], atLeast: 0.7, floor: 0.55 },
  { figure: 'imageCold', against: ['distribution', 'zot'], atLeast: 1.8, floor: 0.55 },
  { figure: 'imageCold', of: 'share', atMost: 4.5 },
  { figure: 'lag', atMost: 1000 },
  { figure: 'lost', atMost: 0 },
  { figure: 'shared', atMost: 0 },
  { figure: 'layerFirstByte', against: ['docker-registry', 'distribution'], atMost: 0.5 },
  { figure: 'coldBlob', against: ['distribution'], atLeast: 1, inEach: true },
  { figure: 'coldBlob', against: ['docker-registry'], atLeast: 0.4 },
  { figure: 'coldBlob', of: 'cpu', against: ['distribution'], atMost: 1.3 },
  { figure: 'coldFirstByte', against: [...go, 'docker-registry'], atMost: 0.5 },
  { figure: 'limitedShare', atLeast: 0.95 },
  { figure: 'limitedFirstByte', against: [...go, 'docker-registry'], atMost: 0.5 },
  { figure: 'crowd', against: go, atLeast: 1.1 },
  { figure: 'crowdFirstByte', against: go, atMost: 0.1 },
  { figure: 'crowdGets', atMost: 1 },
  { figure: 'cachedBlob', against: go, atLeast: 0.8 },
  { figure: 'pushedImage', against: ['docker-registry', 'distribution'], atLeast: 1 },
  { figure: 'pushedImage', of: 'cpu', against: ['docker-registry', 'distribution'], atMost: 1 },
  { figure: 'pushedBlob', of: 'cpu', against: ['docker-registry'], atMost: 1.5 },
  { figure: 'pushedCrowd', of: 'cpu', against: ['docker-registry'], atMost: 1.5 },
  { figure: 'start', atMost: 400 },
  { figure: 'loopP99', atMost: 20 },
  { figure: 'memory', atMost: 200 },
  { figure: 'slowReaders', atMost: 200 },
];
