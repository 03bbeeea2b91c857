import { RegistryError } from '../oci/error.ts';
import { uploadRange } from '../oci/pushes.ts';
import type { Digest } from '../oci/reference.ts';

export function wrongDigest(digest: Digest): RegistryError {
  return new RegistryError(
    'DIGEST_INVALID',
    `the bytes that came are not ${digest}: nothing of them is kept`,
  );
}

export function inUse(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', 'another request is writing to this upload', {
    status: 409,
    headers: { 'Retry-After': '1' },
  });
}

/** Is it about the bytes that came, or their room? No other request could mend that. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof RegistryError)) return false;
  return error.code === 'DIGEST_INVALID' || error.code === 'SIZE_INVALID' || error.status === 507;
}

/** `size` bytes are there (distribution-spec "Pushing a blob in chunks"). */
export function outOfOrder(size: number): RegistryError {
  return new RegistryError('RANGE_INVALID', `${size} bytes have come: the next begin there`, {
    headers: { Range: uploadRange({ size }) },
  });
}
