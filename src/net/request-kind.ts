import { parseRequest } from '../oci/request.ts';
import type { TransportRequest } from './transport.ts';

/**
 * What a registry may limit apart from the rest: `GET manifest`, `HEAD blob`. Never more than a handful. The API may be below
 * a path of its own, as a mirror's: `/docker/v2/…`.
 */
export function requestKind({ method, url, kind }: TransportRequest): string {
  if (kind !== undefined) return `${method} ${kind}`;
  try {
    return `${method} ${parseRequest(method, apiPath(url))?.kind ?? 'other'}`;
  } catch {
    return `${method} other`;
  }
}

function apiPath({ pathname }: URL): string {
  return pathname.slice(Math.max(0, pathname.indexOf('/v2/')));
}

/** Those that registries count as pulls are among these. */
export function isManifestKind(kind: string): boolean {
  return kind.endsWith(' manifest');
}

/** Those whose digest is checked by whoever keeps their bytes. */
export function isBlobKind(kind: string): boolean {
  return kind.endsWith(' blob');
}
