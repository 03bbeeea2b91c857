import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { type MetricDescription, metrics, originalMetrics, prefix } from './metric-table.ts';
import type { ObservedRequest, Observer, RequestResult } from './observer.ts';
import type { UpstreamLabels } from './upstream-labels.ts';

/** What the cache holds. */
export interface CacheContent {
  readonly manifests: number;
  readonly manifestBytes: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

/** What is asked when somebody scrapes. */
export interface MetricSources {
  readonly version: string;
  readonly fillsRunning: () => number;
  readonly content: () => Promise<CacheContent>;
}

export interface Prometheus {
  readonly observer: Observer;
  readonly contentType: string;
  /** All metrics in Prometheus's text format. */
  text(): Promise<string>;
}

const cachedResults: ReadonlySet<unknown> = new Set<RequestResult>(['hit', 'revalidated', 'stale']);
const filledResults: ReadonlySet<unknown> = new Set<RequestResult>(['miss', 'collapsed']);
/** Of the library's metrics of Node those that others say better, under names that Prometheus advises against. */
const unwanted = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_summary',
  'nodejs_eventloop_utilization_histogram',
];
/** The longest that a timer takes; milliseconds. What is measured by it is unwanted. */
const never = 2 ** 31 - 1;

/** Metrics in a registry of their own: two programs in one process do not meet. */
export function openPrometheus(labels: UpstreamLabels, sources: MetricSources): Prometheus {
  const registry = new Registry();
  const requests = new Counter<string>(config(registry, metrics.requests));
  addOriginal(registry, requests, sources);
  addGauges(registry, sources);
  collectDefaultMetrics({ register: registry, eventLoopUtilizationTimeout: never });
  for (const name of unwanted) registry.removeSingleMetric(name);
  return {
    observer: observerOf(registry, requests, labels),
    contentType: registry.contentType,
    text: async () => await registry.metrics(),
  };
}

function observerOf(registry: Registry, requests: Counter<string>, labels: UpstreamLabels): Observer {
  const sent = new Counter<string>(config(registry, metrics.sentBytes));
  const firstByte = new Histogram<string>(config(registry, metrics.firstByte));
  const calls = new Counter<string>(config(registry, metrics.upstreamRequests));
  const latency = new Histogram<string>(config(registry, metrics.upstreamSeconds));
  const received = new Counter<string>(config(registry, metrics.receivedBytes));
  return {
    request: ({ host, kind, result, bytes, firstByteSeconds }) => {
      const upstream = labels.of(host, isAnswer(result));
      requests.inc({ upstream, kind, result });
      if (bytes > 0) sent.inc({ upstream, kind }, bytes);
      firstByte.observe({ kind, result }, firstByteSeconds);
    },
    upstreamCall: ({ host, kind, result, seconds }) => {
      const upstream = labels.of(host, result === 'ok');
      calls.inc({ upstream, kind, result });
      latency.observe({ upstream, kind }, seconds);
    },
    upstreamBytes: (host, kind, bytes) => received.inc({ upstream: labels.of(host, true), kind }, bytes),
  };
}

function isAnswer(result: ObservedRequest['result']): boolean {
  return cachedResults.has(result) || filledResults.has(result);
}

type Labels = Partial<Record<string, string | number>>;

/** The original's counters are sums over ours, made when they are asked for. */
function addOriginal(registry: Registry, requests: Counter<string>, sources: MetricSources): void {
  const add = (
    description: MetricDescription,
    counts: (labels: Labels) => boolean,
    labelsOf: (labels: Labels) => Record<string, string> = () => ({}),
  ): void => {
    const sum = new Counter<string>({
      ...config(registry, description),
      async collect() {
        const { values } = await requests.get();
        this.reset();
        for (const { labels, value } of values) if (counts(labels)) this.inc(labelsOf(labels), value);
      },
    });
    if (description.labels === undefined) sum.inc(0);
  };
  const isManifest = ({ kind }: Labels): boolean => kind === 'manifest';
  const ns = ({ upstream }: Labels): Record<string, string> => ({ ns: String(upstream) });
  const { cachedPulls, upstreamPulls, manifestPulls, blobPulls, endpointHits, apiErrors } = originalMetrics;
  add(cachedPulls, (labels) => isManifest(labels) && cachedResults.has(labels['result']), ns);
  add(upstreamPulls, (labels) => isManifest(labels) && filledResults.has(labels['result']), ns);
  add(manifestPulls, isManifest);
  add(blobPulls, ({ kind }) => kind === 'blob');
  add(endpointHits, ({ kind }) => kind !== 'other');
  const isError = ({ kind, result }: Labels): boolean =>
    kind !== 'other' &&
    result !== 'local' &&
    result !== 'cut' &&
    !cachedResults.has(result) &&
    !filledResults.has(result);
  add(apiErrors, isError);
  const { manifests, manifestBytes, blobs, blobBytes } = originalMetrics;
  for (const [description, value] of [
    [manifests, (content) => content.manifests],
    [manifestBytes, (content) => content.manifestBytes],
    [blobs, (content) => content.blobs],
    [blobBytes, (content) => content.blobBytes],
  ] satisfies [MetricDescription, (content: CacheContent) => number][]) {
    addGauge(registry, description, async () => value(await sources.content()));
  }
}

function addGauges(registry: Registry, { version, fillsRunning }: MetricSources): void {
  addGauge(registry, metrics.fillsRunning, fillsRunning);
  new Gauge<string>(config(registry, metrics.buildInfo)).set({ version }, 1);
}

function addGauge(
  registry: Registry,
  description: MetricDescription,
  value: () => number | Promise<number>,
): void {
  new Gauge({
    ...config(registry, description),
    async collect() {
      this.set(await value());
    },
  });
}

function config(registry: Registry, { name, help, labels = [], buckets }: MetricDescription) {
  return {
    name: `${prefix}${name}`,
    help,
    labelNames: labels,
    registers: [registry],
    ...(buckets !== undefined && { buckets: [...buckets] }),
  };
}
