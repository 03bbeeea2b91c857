import type { Digest, Reference, RepositoryName } from '../../oci/reference.ts';
import { leastRate } from '../fills/pace.ts';

/**
 * A step of completing an image, small enough that very many can wait: names and sizes alone, what a manifest says stays in the index.
 * `blobs`: to find which blobs a cached manifest lacks; `blob`: one of them; `referrers`: to ask what refers to a manifest;
 * `referrer`: a manifest that does.
 */
export interface CompletionJob {
  readonly kind: 'blobs' | 'blob' | 'referrers' | 'referrer';
  readonly repository: RepositoryName;
  readonly reference: Reference;
  /** Of a blob: what its manifest claims. Bytes. */
  readonly size?: number;
}

/** What may not keep each other waiting. `index`: upstream is not asked. */
export type CompletionClass = 'index' | 'blobs' | 'large blobs' | 'referrers';

/** Between two manifests of a registry that are looked up in the index, so that many of them keep nobody waiting. Milliseconds. */
export const lookMs = 20;

/** Bytes. */
const largeBlob = 64 * 1024 * 1024;

const minuteMs = 60_000;
/** What an attempt may take in all, be it as slow as a transfer may be. Milliseconds. */
const maxAttemptMs = 24 * 60 * minuteMs;

/** To find what a cached manifest lacks. */
export function blobsOf(repository: RepositoryName, manifest: Digest): CompletionJob {
  return { kind: 'blobs', repository, reference: manifest };
}

export function keyOf({ kind, repository, reference }: CompletionJob): string {
  return `${kind} ${repository} ${reference}`;
}

export function classOf({ kind, size = 0 }: CompletionJob): CompletionClass {
  if (kind === 'blobs') return 'index';
  if (kind !== 'blob') return 'referrers';
  return size > largeBlob ? 'large blobs' : 'blobs';
}

/** The end of an attempt, whatever it does. Milliseconds. */
export function limitOf({ kind, size = 0 }: CompletionJob): number {
  if (kind !== 'blob') return 2 * minuteMs;
  return Math.min(10 * minuteMs + (size / leastRate) * 1000, maxAttemptMs);
}
