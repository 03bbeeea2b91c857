import type { Clock } from '#src/base/clock.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import type { ImageGraph } from '#src/storage/image-graph.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import type { Operation } from '#src/storage/operation.ts';
import type { SpoolStore } from '#src/storage/spool-store.ts';
import type { UploadSpools } from '#src/storage/upload-spools.ts';
import type { SimulatedTrash } from './simulated-trash.ts';

/** The directory, as whoever exports or imports has it open. */
export interface JobParts {
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly uploads: UploadSpools;
  readonly metadata: MetadataStore;
  readonly inventory: Inventory;
  readonly graph: ImageGraph;
  readonly trash: SimulatedTrash;
  readonly clock: Clock;
  /** Told of what was changed in the index. */
  readonly changed: (operations: readonly Operation[]) => void;
  readonly signal: AbortSignal;
}

export type Job<Value> = (parts: JobParts) => Promise<Value>;
