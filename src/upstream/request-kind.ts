import { parseEndpoint } from '../oci/endpoint.ts';
import type { TransportRequest } from './transport.ts';

/** What a registry may limit apart from the rest: `GET manifest`, `HEAD blob`. Never more than a handful. */
export function requestKind({ method, url }: TransportRequest): string {
  try {
    return `${method} ${parseEndpoint(url.pathname)?.kind ?? 'other'}`;
  } catch {
    return `${method} other`;
  }
}

/** Those that registries count as pulls are among these. */
export function isManifestKind(kind: string): boolean {
  return kind.endsWith(' manifest');
}
