import {
  labelValues,
  type MetricDescription,
  metrics,
  originalMetrics,
  prefix,
} from '../observe/metric-table.ts';
import { code, generated, page, table } from './markdown.ts';

export function metricsPage(): string {
  return page(
    '# Metrics',
    generated,
    '`metrics: <port>` (or `--metrics <port>`) opens `GET /metrics` on a port of its own, in Prometheus’s text format; without it nothing is counted. The page is plain HTTP and asks nobody who he is. It holds no secret, and names no repository, tag, digest, path or client; it does name the registries that are pulled from.',
    table(['Metric', 'Type', 'Labels', 'Meaning'], Object.values(metrics).map(rowOf)),
    `Buckets of the histograms, in seconds: ${metrics.firstByte.buckets.join(' ')}.`,
    '## Labels',
    table(
      ['Label', 'Values'],
      Object.entries(labelValues).map(([name, values]) => [code(name), values]),
    ),
    'So the number of series is bounded, whatever clients ask for: a registry that is not configured gets a value of its own only when it has answered.',
    '## Those of Ociregistry 1.17',
    'Names, types and labels are the original’s, so that its dashboards go on working. Some are against Prometheus’s conventions for names, and `promtool check metrics` says so; ours pass. What is on disk is counted at most once a minute.',
    table(['Metric', 'Type', 'Labels', 'Meaning'], Object.values(originalMetrics).map(rowOf)),
    '## Those of the process',
    '`process_*` and `nodejs_*` are those that the Prometheus client for Node.js collects: CPU time, memory, open files, delay of the event loop (with the ten milliseconds from one look at it to the next, which an idle process shows, too), garbage collection, handles, version. The original’s `go_*` have no counterpart.',
    '## Questions they answer',
    [
      'Hit ratio of manifests: `sum(rate(ociregistry_requests_total{kind="manifest",result=~"hit|revalidated|stale"}[5m])) / sum(rate(ociregistry_requests_total{kind="manifest"}[5m]))`',
      'Is somebody served stale content? `sum by (upstream) (rate(ociregistry_requests_total{result="stale"}[5m])) > 0`',
      'Does a registry limit us? `sum by (upstream) (rate(ociregistry_upstream_requests_total{result="limited"}[5m])) > 0`',
      'What the cache saves: `rate(ociregistry_sent_bytes_total[5m])` against `rate(ociregistry_received_bytes_total[5m])`',
    ]
      .map((line) => `- ${line}`)
      .join('\n'),
  );
}

function rowOf({ name, type, labels = [], help }: MetricDescription): string[] {
  return [code(`${prefix}${name}`), type, labels.map(code).join(' '), help];
}
