import type { RegistryHost, RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo } from '../../oci/registry.ts';
import type { SpoolStore } from '../../storage/spool-store.ts';
import { BlobSource } from './blob-source.ts';
import { BlobTransfer } from './blob-transfer.ts';
import type { PartDoubt } from './doubted-parts.ts';
import { FillBytes, type FillEnd } from './fill-bytes.ts';
import { FillFollowers, type ReadRange } from './fill-followers.ts';
import { FillFront } from './fill-front.ts';
import type { FillOwners } from './fill-owners.ts';
import { FillRuns } from './fill-runs.ts';
import { FillSize } from './fill-size.ts';
import { FillTape, type FillTapeParts } from './fill-tape.ts';
import type { TransferSettings } from './in-order.ts';
import { RangeRequests } from './range-requests.ts';

export interface ComposedFillSettings extends TransferSettings {
  readonly spools: SpoolStore;
  /** By which registry's word the bytes come: no other's transfer goes on with what is left of this one. */
  readonly scope: RegistryHost;
  readonly doubt: PartDoubt;
}

export interface ComposedFill {
  readonly size: FillSize;
  readonly followers: FillFollowers;
  readonly tape: FillTape;
  /** What comes in order. */
  readonly transfer: BlobTransfer;
  /** What comes ahead of it. */
  readonly ahead: RangeRequests;
  readonly source: BlobSource;
  readonly bytes: FillBytes;
}

/** What one fill is made of. */
export function composeFill(
  end: FillEnd & { readonly head: Promise<void> },
  repository: RepositoryName,
  owners: Pick<FillOwners, 'has'>,
  expected: BlobInfo,
  settings: ComposedFillSettings,
  onQueued: () => void,
  outgrown: NonNullable<FillTapeParts['outgrown']>,
): ComposedFill {
  const { clock, doubt, log, scope, spools, upstream } = settings;
  const { digest } = expected;
  const size = new FillSize(expected);
  const followers = new FillFollowers(owners, clock);
  const note = { digest, scope };
  const tape: FillTape = new FillTape({
    ...{ spools, note, clock, outgrown },
    lowest: (range) => lowest(range),
  });
  const front = new FillFront(digest, tape);
  /** What is still to be hashed is read, too. */
  const lowest = (range: ReadRange): number => {
    const slowest = followers.lowest(range);
    if (front.size >= range.start) return Math.min(slowest, front.size);
    // What is written will be read from there; else it is kept until the hash is there.
    return tape.isStored ? slowest : Math.min(slowest, range.start);
  };
  const shared = { digest, repository, size, followers, tape, front, runs: new FillRuns(), clock };
  const source = new BlobSource({
    ...{ digest, size, followers, upstream, doubt },
    onQueued: () => {
      // One that waits for its headers may have the turn that it waits for.
      if (!transfer.isBegun) ahead.giveWay();
      onQueued();
    },
  });
  const transfer = new BlobTransfer({ ...shared, source, settings });
  const ahead: RangeRequests = new RangeRequests({
    ...shared,
    source,
    log,
    signal: transfer.signal,
    head: () => end.head,
    inOrder: () => tape.here.endFrom(transfer.at),
    comesInOrder: (byte) => transfer.bringsSoon(byte),
  });
  const bytes = new FillBytes({ end, size, followers, tape, transfer, ahead });
  return { size, followers, tape, transfer, ahead, source, bytes };
}
