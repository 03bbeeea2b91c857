import type { Clock } from '../base/clock.ts';
import { RegistryError } from '../oci/error.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { Operation } from '../storage/operation.ts';
import type { SpoolStore } from '../storage/spool-store.ts';
import type { StoreRoom } from '../storage/store-room.ts';
import type { UploadSpools } from '../storage/upload-spools.ts';
import type { HostedRules } from './hosted-rules.ts';
import type { UploadRooms } from './upload-rooms.ts';

export interface HostedParts {
  readonly rules: HostedRules;
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly uploads: UploadSpools;
  readonly metadata: MetadataStore;
  /** Undefined: nothing can be changed. */
  readonly graph: ImageGraph | undefined;
  readonly room: Pick<StoreRoom, 'reserve'>;
  /** The same, of uploads that are not finished. */
  readonly uploadRooms: UploadRooms;
  /** Told of what was changed in the index: whoever remembers what it said, and the list of names that others read. */
  readonly told: (operations: readonly Operation[]) => void;
  readonly clock: Clock;
  /** So many random bytes, in hex. */
  readonly randomHex: (bytes: number) => string;
}

/** Settles when the change will survive a power cut. Who remembers something is told at once: nobody is answered by what was. */
export async function changed(
  { metadata, told }: Pick<HostedParts, 'metadata' | 'told'>,
  operations: readonly Operation[],
): Promise<void> {
  await metadata.change(operations);
  told(operations);
  await metadata.durable();
}

/** RFC 4918 section 11.5. */
export function noRoom(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'there is no room left for what is pushed', { status: 507 });
}
