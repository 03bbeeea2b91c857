import type { CacheParts } from '../cache/cache-parts.ts';
import type { Config } from '../config/schema.ts';
import type { AccountQuota } from '../observe/observer.ts';
import type { MetricSources, Prometheus } from '../observe/prometheus.ts';
import { UpstreamLabels } from '../observe/upstream-labels.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { Retention } from './retention.ts';

export interface MetricsSettings {
  readonly config: Config;
  readonly parts: CacheParts;
  readonly inventory: Inventory;
  readonly retention: Retention | undefined;
  readonly version: string;
  readonly quotas: () => Iterable<AccountQuota>;
  readonly lookupsHung: () => number;
  /** How it stands with the endpoints of notifications. */
  readonly notified: MetricSources['notified'];
  /** Tags that were compared with their registries, by what became of them. */
  readonly synced: MetricSources['synced'];
}

/** Nothing of it is loaded where no port is configured. */
export async function openMetrics({
  config: { metrics, registries },
  parts: { fills, completer, misses, checks },
  inventory,
  retention,
  version,
  quotas,
  lookupsHung,
  notified,
  synced,
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
    missed: () => misses.count,
    quotas,
    lookupsHung,
    notified,
    synced,
    completion: () => completer.states(),
    checks: () => checks.tally.all(),
    content: async () => await inventory.totals(),
    room: {
      reserved: () => retention?.room.bytes ?? 0,
      free: async () => (await retention?.space())?.free ?? 0,
      isStoring: () => retention?.evictor?.isStuck !== true,
      evicted: () => retention?.evictor?.evicted ?? {},
    },
  });
}
