import { Histogram } from './histogram.ts';
import { metrics } from './metric-table.ts';
import type { RequestKind, RequestResult } from './observer.ts';

/** Requests of one kind to one upstream that ended in one way. */
export interface Tally {
  readonly upstream: string;
  readonly kind: RequestKind;
  readonly result: RequestResult;
  requests: number;
  /** That were sent. */
  bytes: number;
  /** Shared by all upstreams. */
  readonly firstByte: Histogram;
}

/**
 * Counts requests. It is done by hand because it is on the hot path: a counter and a histogram of the library build and
 * hash a text for each value, which is one part in fifteen of what a small manifest costs altogether.
 */
export class RequestTallies {
  /** By their labels. */
  readonly firstBytes = new Map<string, Histogram>();
  readonly #byUpstream = new Map<string, Map<RequestKind, Map<RequestResult, Tally>>>();

  /** The tally to add a request to. */
  of(upstream: string, kind: RequestKind, result: RequestResult): Tally {
    return this.#byUpstream.get(upstream)?.get(kind)?.get(result) ?? this.#begin(upstream, kind, result);
  }

  all(): Tally[] {
    const kinds = [...this.#byUpstream.values()].flatMap((byKind) => [...byKind.values()]);
    return kinds.flatMap((byResult) => [...byResult.values()]);
  }

  #begin(upstream: string, kind: RequestKind, result: RequestResult): Tally {
    const labels = `kind="${kind}",result="${result}"`;
    const firstByte = this.firstBytes.get(labels) ?? new Histogram(metrics.firstByte.buckets);
    this.firstBytes.set(labels, firstByte);
    const byKind = this.#byUpstream.get(upstream) ?? new Map<RequestKind, Map<RequestResult, Tally>>();
    const byResult = byKind.get(kind) ?? new Map<RequestResult, Tally>();
    const tally = { upstream, kind, result, requests: 0, bytes: 0, firstByte };
    this.#byUpstream.set(upstream, byKind.set(kind, byResult.set(result, tally)));
    return tally;
  }
}
