import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import { Recurring } from '#src/base/recurring.ts';
import { HostedRegistry } from '#src/hosted/hosted-registry.ts';
import type { HostedRules } from '#src/hosted/hosted-rules.ts';
import { openPushes } from '#src/hosted/open-hosted.ts';
import { UploadRooms } from '#src/hosted/upload-rooms.ts';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import type { Pushes } from '#src/oci/pushes.ts';
import type { Registry } from '#src/oci/registry.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import type { Operation } from '#src/storage/operation.ts';
import type { SpoolStore } from '#src/storage/spool-store.ts';
import type { StoreRoom } from '#src/storage/store-room.ts';
import type { UploadSpools } from '#src/storage/upload-spools.ts';
import type { OpenIndex } from './open-index.ts';

/** Unfinished uploads are looked at so often. Milliseconds. */
const sweeps = { firstMs: 500, pauseMs: 3000 };

export type Blobs = ContentStore & SpoolStore & { readonly uploads: UploadSpools };

export interface HostingParts {
  readonly rules: HostedRules;
  /** What serves what lives here. */
  readonly cached: Registry;
  readonly blobs: Blobs;
  readonly index: OpenIndex;
  readonly room: StoreRoom;
  readonly told: (operations: readonly Operation[]) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

export interface Hosting extends AsyncDisposable {
  readonly registry: Registry;
  readonly pushes: Pushes;
}

/** What serves and changes the repositories that live here, put together as `src/app/hosting.ts` does it. */
export function openHosting(parts: HostingParts): Hosting {
  const { rules, cached, blobs, index, room, told, clock, log, random } = parts;
  const { metadata, graph, inventory } = index;
  const uploadRooms = new UploadRooms(room);
  const kept = { content: blobs, spools: blobs, uploads: blobs.uploads, metadata, graph };
  const randomHex = (bytes: number): string => hexOf(bytes, random);
  const all = { ...kept, rules, room, uploadRooms, told, clock, randomHex };
  const sweep = new Recurring(
    'dropping unfinished uploads',
    sweeps,
    async (signal) => await sweepUploads(all, signal),
    { clock, log },
  );
  return {
    registry: new HostedRegistry(cached, { metadata, inventory, clock }),
    pushes: openPushes(all),
    [Symbol.asyncDispose]: async () => await sweep[Symbol.asyncDispose](),
  };
}

function hexOf(bytes: number, random: () => number): string {
  const digits = Array.from({ length: 2 * bytes }, () => Math.floor(random() * 16).toString(16));
  return digits.join('');
}
