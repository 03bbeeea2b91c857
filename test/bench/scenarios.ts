import type { Upstream } from './bench-upstream.ts';
import { blob, crowd, layers, limited } from './blob-scenarios.ts';
import type { Contestant } from './contestant.ts';
import { durability } from './durability.ts';
import type { Sample } from './figures.ts';
import { images } from './image-scenario.ts';
import { manifests } from './manifest-scenario.ts';
import { pushes, pushesOfLarge } from './push-scenarios.ts';
import { shared } from './shared-layers.ts';
import { slowReaders } from './slow-readers.ts';
import { startOfFilled } from './start-scenario.ts';
import { streams } from './stream-scenario.ts';

/** Measures one server once. `round` differs each time, so that what shall be cold is new. */
type Measure = (contestant: Contestant, upstream: Upstream, round: number) => Promise<Sample>;

export interface Scenario {
  readonly measure: Measure;
  /** It takes so long that one round is enough. */
  readonly isOnce?: true;
  /** Only where it is asked for. */
  readonly isExtra?: true;
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  manifests: { measure: manifests },
  images: { measure: images },
  durability: { measure: durability },
  shared: { measure: shared },
  layers: { measure: layers },
  blob: { measure: blob },
  limited: { measure: limited },
  crowd: { measure: crowd },
  pushes: { measure: pushes },
  'large-pushes': { measure: pushesOfLarge },
  start: { measure: startOfFilled },
  streams: { measure: streams, isOnce: true },
  'slow-readers': { measure: slowReaders, isOnce: true, isExtra: true },
};

/** Those that are not asked for by name. */
export const usualScenarios = Object.keys(scenarios).filter((name) => scenarios[name]?.isExtra !== true);
