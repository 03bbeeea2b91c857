/** How late an event loop is. Milliseconds. */
export interface LoopDelay {
  readonly delayP99: number;
  readonly delayMost: number;
}

/** A number of a page of Prometheus, all its labels together; NaN where it has none of that name. */
export function metricIn(page: string, name: string): number {
  const values = [...page.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  return values.length === 0 ? Number.NaN : values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** By the value of its only label. */
export function metricsIn(page: string, name: string): Readonly<Record<string, number>> {
  const values = page.matchAll(new RegExp(`^${name}\\{\\w+="([^"]*)"\\} (\\S+)$`, 'gm'));
  return Object.fromEntries([...values].map(([, label = '', value]) => [label, Number(value)]));
}

/** Node's histogram has the time from one look to the next, so that a loop that is never late has this much. Milliseconds. */
const lookMs = 10;

export function loopDelayIn(page: string): LoopDelay {
  const milliseconds = (name: string) =>
    Math.max(0, metricIn(page, `nodejs_eventloop_lag_${name}_seconds`) * 1000 - lookMs);
  return { delayP99: milliseconds('p99'), delayMost: milliseconds('max') };
}
