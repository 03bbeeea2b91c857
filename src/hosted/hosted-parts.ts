import type { Clock } from '../base/clock.ts';
import type { ContentEvent } from '../observe/content-event.ts';
import { RegistryError } from '../oci/error.ts';
import { type ContentStore, StoreFullError } from '../storage/content-store.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { Operation } from '../storage/operation.ts';
import type { SpoolStore } from '../storage/spool-store.ts';
import type { StoreRoom } from '../storage/store-room.ts';
import type { UploadSpools } from '../storage/upload-spools.ts';
import type { HostedRules } from './hosted-rules.ts';
import type { UploadRooms } from './upload-rooms.ts';

/** Events on their way with a change: in its transaction, so that none is without the other. */
interface QueuedEvents {
  readonly operations: readonly Operation[];
  /** To be called when it was committed. */
  readonly committed: () => void;
}

export interface HostedParts {
  readonly rules: HostedRules;
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly uploads: UploadSpools;
  readonly metadata: MetadataStore;
  /** Undefined: nothing can be changed. */
  readonly graph: ImageGraph | undefined;
  readonly room: Pick<StoreRoom, 'admits' | 'reserve'>;
  /** The same, of uploads that are not finished. */
  readonly uploadRooms: UploadRooms;
  /** Told of what was changed in the index: whoever remembers what it said, and the list of names that others read. */
  readonly told: (operations: readonly Operation[]) => void;
  /** Queues what others are to be told, with a change that it tells of. Default: nobody is told. */
  readonly queued?: ((events: readonly ContentEvent[]) => QueuedEvents) | undefined;
  /** May it be that a tag points somewhere, and the index does not say so yet, since it is made anew? Default: no. */
  readonly isBeingRestored?: (() => boolean) | undefined;
  readonly clock: Clock;
  /** So many random bytes, in hex. */
  readonly randomHex: (bytes: number) => string;
}

/** Settles when the change, and the events of it, will survive a power cut. Who remembers something is told at once: nobody is answered by what was. */
export async function changed(
  { metadata, told, queued }: Pick<HostedParts, 'metadata' | 'told' | 'queued'>,
  operations: readonly Operation[],
  events: readonly ContentEvent[] = [],
): Promise<void> {
  const telling = events.length === 0 ? undefined : queued?.(events);
  await metadata.change(telling === undefined ? operations : [...operations, ...telling.operations]);
  told(operations);
  telling?.committed();
  await metadata.durable();
}

/** RFC 4918 section 11.5. */
export function noRoom(cause?: StoreFullError): RegistryError {
  return new RegistryError('UNAVAILABLE', 'there is no room left for what is pushed', { status: 507, cause });
}

/** Does what may find no room: by a quota, or on a disk that is full. Throws UNAVAILABLE (507) then. */
export async function orNoRoom<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof StoreFullError ? noRoom(error) : error;
  }
}
