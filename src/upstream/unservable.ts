import { RegistryError } from '../oci/error.ts';

// What upstream has, whole and in order, and we cannot serve: about one image, and no outage (never 5xx).

/** Docker's schema 1 has no digest of its bytes to check, and no client that is supported reads it any more. */
export function isSchema1Only(): RegistryError {
  const message = 'upstream has this image as schema 1 only, which is not supported';
  return new RegistryError('UNSUPPORTED', message, { status: 415 });
}

/** Clients read no more than 4 MiB themselves (containerd, containers/image). */
export function isTooLarge(message: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', message, { status: 413 });
}
