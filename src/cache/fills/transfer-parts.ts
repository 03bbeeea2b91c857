import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import type { BlobSource } from './blob-source.ts';
import type { FillRunParts } from './fill-run.ts';
import type { FillSize } from './fill-size.ts';

export interface TransferSettings {
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

export interface TransferParts extends FillRunParts {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  readonly size: FillSize;
  readonly source: BlobSource;
  readonly settings: TransferSettings;
}
