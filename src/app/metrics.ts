import type { Clock } from '../base/clock.ts';
import type { CacheParts } from '../cache/cache-parts.ts';
import type { Config } from '../config/schema.ts';
import type { AccountQuota } from '../observe/observer.ts';
import type { Prometheus } from '../observe/prometheus.ts';
import { UpstreamLabels } from '../observe/upstream-labels.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import type { StoreContent } from '../storage/metadata-store.ts';

/** Counting a large cache takes a while, in slices: it is done at most so often. */
const countMs = 60_000;

export interface MetricsSettings {
  readonly config: Config;
  readonly parts: CacheParts;
  readonly version: string;
  readonly quotas: () => Iterable<AccountQuota>;
  readonly lookupsHung: () => number;
}

/** Nothing of it is loaded where no port is configured. */
export async function openMetrics({
  config: { metrics, registries },
  parts: { metadata, fills, completer, clock },
  version,
  quotas,
  lookupsHung,
}: MetricsSettings): Promise<Prometheus | undefined> {
  if (metrics === 0) return undefined;
  const { openPrometheus } = await import('../observe/prometheus.ts');
  const names = registries.map(({ name }) => canonicalHost(parseRegistryHost(name)));
  const mirrors = registries.flatMap(({ endpoints }) => endpoints.map((url) => new URL(url).host));
  const configured = [...names, ...mirrors.map(parseRegistryHost)];
  return openPrometheus(new UpstreamLabels(configured), {
    version,
    fillsRunning: () => fills.running,
    fillsAbandoned: () => fills.abandoned,
    quotas,
    lookupsHung,
    completion: () => completer.states(),
    content: counted(async () => await metadata.countContent(), clock),
  });
}

/** Counts anew when the last count is old; who asks meanwhile waits for the same one. */
function counted(count: () => Promise<StoreContent>, clock: Clock): () => Promise<StoreContent> {
  let last: { readonly at: number; readonly content: Promise<StoreContent> } | undefined;
  return async () => {
    if (last === undefined || clock.monotonic() - last.at >= countMs)
      last = { at: clock.monotonic(), content: count() };
    const current = last;
    try {
      return await current.content;
    } catch (error) {
      if (last === current) last = undefined;
      throw error;
    }
  };
}
