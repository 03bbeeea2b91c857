import type { Database } from 'better-sqlite3';
import { preparing } from './statements.ts';

interface Difference {
  manifests: number;
  manifestBytes: number;
  blobs: number;
  blobBytes: number;
}

/** By how much a change makes the totals differ: added up, and written once at its end. */
export class ChangeTotals {
  readonly #add: ReturnType<typeof prepareAdd>;
  #differences = new Map<string, Difference>();

  constructor(database: Database) {
    this.#add = prepareAdd(database);
  }

  /** One that failed has left something. */
  begin(): void {
    this.#differences = new Map();
  }

  /** `hosts`: registries; '' is all. */
  add(hosts: Iterable<string>, difference: Partial<Difference>): void {
    for (const host of hosts) {
      const sum = this.#differences.get(host) ?? { manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 };
      this.#differences.set(host, sum);
      sum.manifests += difference.manifests ?? 0;
      sum.manifestBytes += difference.manifestBytes ?? 0;
      sum.blobs += difference.blobs ?? 0;
      sum.blobBytes += difference.blobBytes ?? 0;
    }
  }

  /** Inside the transaction of the change. */
  write(): void {
    for (const [host, { manifests, manifestBytes, blobs, blobBytes }] of this.#differences)
      this.#add.run(host, manifests, manifestBytes, blobs, blobBytes);
  }
}

function prepareAdd(database: Database) {
  return preparing(database)<[string, number, number, number, number]>(
    `insert into totals values (?, ?, ?, ?, ?)
     on conflict do update set manifests = manifests + excluded.manifests,
       manifest_bytes = manifest_bytes + excluded.manifest_bytes,
       blobs = blobs + excluded.blobs, blob_bytes = blob_bytes + excluded.blob_bytes`,
  );
}
