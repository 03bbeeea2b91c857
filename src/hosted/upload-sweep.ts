import type { RepositoryName } from '../oci/reference.ts';
import { endUpload } from '../storage/operation.ts';
import type { UploadRecord } from '../storage/records.ts';
import type { HostedParts } from './hosted-parts.ts';

/** One that nothing was sent to expires after an hour: whoever has begun it has gone. Milliseconds. */
const emptyMs = 3_600_000;
/** Of what nobody configures any more. Milliseconds. */
const forgottenMs = 86_400_000;
const pageSize = 100;

type SweepParts = Pick<HostedParts, 'rules' | 'metadata' | 'uploads' | 'uploadRooms' | 'clock'>;

/**
 * Gives up uploads to which nothing has come for too long, and removes bytes that belong to none; what the others have counts, also what was there before this
 * process. Throws the signal's reason, and the store's errors.
 */
export async function sweepUploads(parts: SweepParts, signal?: AbortSignal): Promise<void> {
  const { metadata, uploads, uploadRooms } = parts;
  const there = new Set(await Array.fromAsync(uploads.list()));
  for (let after: string | undefined; ; ) {
    const page = await metadata.listUploads({ after, limit: pageSize });
    for (const upload of page) {
      signal?.throwIfAborted();
      await giveUpIfOld(parts, upload, there.has(upload.id));
    }
    after = page[pageSize - 1]?.id;
    if (after === undefined) break;
  }
  // Those that have come since were not there.
  for (const id of there) {
    signal?.throwIfAborted();
    if ((await metadata.getUpload(id)) === undefined) await uploads.discard(id);
  }
  // Another process may have ended them.
  for (const id of uploadRooms.ids) {
    signal?.throwIfAborted();
    if ((await metadata.getUpload(id)) === undefined) uploadRooms.giveBack(id);
  }
}

async function giveUpIfOld(
  { rules, metadata, uploads, uploadRooms, clock }: SweepParts,
  { id, repository, begunAt }: UploadRecord,
  hasBytes: boolean,
): Promise<void> {
  const expiryMs = expiryOf(rules, repository);
  const now = clock.now();
  const isOldForEmpty = begunAt < now - Math.min(expiryMs, emptyMs);
  // Its first bytes may have come since it was listed.
  const bytes = hasBytes || isOldForEmpty ? await uploads.stat(id) : undefined;
  const isEmpty = bytes === undefined || bytes.size === 0;
  const isOld = isEmpty ? isOldForEmpty : Math.max(begunAt, bytes.writtenAt) < now - expiryMs;
  if (!isOld) {
    await uploadRooms.know(id, bytes?.size ?? 0);
    return;
  }
  if (!(await ended({ metadata, uploads }, id, bytes?.size))) return;
  await uploads.discard(id);
  uploadRooms.giveBack(id);
}

/** False: somebody goes on with it. What has a file nobody else has meanwhile. */
async function ended(
  { metadata, uploads }: Pick<SweepParts, 'metadata' | 'uploads'>,
  id: string,
  size: number | undefined,
): Promise<boolean> {
  await using spool = size === undefined ? undefined : await uploads.open(id);
  if (spool?.ranges.endFrom(0) !== size) return false;
  await metadata.change([endUpload(id)]);
  return true;
}

function expiryOf(rules: HostedParts['rules'], repository: RepositoryName): number {
  return rules.ruleOf(repository)?.uploadExpiryMs ?? forgottenMs;
}
