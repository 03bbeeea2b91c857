import { freeChunks } from '../../base/free-chunks.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { RegistryError } from '../../oci/error.ts';
import { type Pushes, type SentBytes, type UploadState, uploadRange } from '../../oci/pushes.ts';
import type { RequestOf } from '../../oci/request.ts';
import { formatRequest } from '../../oci/request.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { hasBody, lengthOf, sentChunks } from '../exchange/request-body.ts';
import type { Sources } from './call.ts';

/** Throws UNSUPPORTED where nothing lives here. */
export function pushesOf({ pushes }: Sources): Pushes {
  if (pushes === undefined) throw new RegistryError('UNSUPPORTED', 'this registry only serves pulls');
  return pushes;
}

/** `start-end`, as chunks say it, which is not RFC 9110's Content-Range; that of others too. */
const chunkRange = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/;

/** Throws BLOB_UPLOAD_INVALID for a Content-Range that is none, SIZE_INVALID for one of another length than the Content-Length. */
export function sentBytes(exchange: Exchange): SentBytes {
  const length = lengthOf(exchange);
  const sent = { chunks: sentChunks(exchange), used: freeChunks };
  const header = exchange.request.headers['content-range'];
  if (header === undefined) return { ...sent, length };
  const [, first, last] = chunkRange.exec(header.trim()) ?? [];
  if (first === undefined || Number(last) < Number(first))
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'a Content-Range of a chunk is <first>-<last>');
  const ranged = Number(last) - Number(first) + 1;
  if (length !== undefined && ranged !== length)
    throw new RegistryError('SIZE_INVALID', 'the Content-Range and the Content-Length are not of one length');
  return { ...sent, length: ranged, at: Number(first) };
}

/** Undefined: there is none. */
export function lastBytes(exchange: Exchange): SentBytes | undefined {
  return hasBody(exchange) ? sentBytes(exchange) : undefined;
}

/** Where something is, for the client: under the name that he has used. */
export function locationOf(
  exchange: Exchange,
  { linkPrefix }: Pick<Sources, 'linkPrefix'>,
  request: RequestOf<'upload' | 'blob' | 'manifest'>,
): string {
  const ns = exchange.query.get('ns');
  const query = ns === null || ns === '' ? '' : `?${new URLSearchParams({ ns })}`;
  return `${linkPrefix}${formatRequest(request).path}${query}`;
}

/** Answers without a body. */
export function sendEmpty({ response }: Exchange, status: 201 | 202 | 204): void {
  response.statusCode = status;
  if (status !== 204) response.setHeader('Content-Length', 0);
  response.end();
}

/** Where it goes on, and how much has come. */
export function describeUpload(exchange: Exchange, name: string, state: UploadState, sources: Sources): void {
  const { response } = exchange;
  const { id } = state;
  response.setHeader('Location', locationOf(exchange, sources, { kind: 'upload', method: 'GET', name, id }));
  response.setHeader('Docker-Upload-UUID', id);
  response.setHeader('Range', uploadRange(state));
}

/** The blob is here. */
export function sendPushed(exchange: Exchange, name: string, { digest }: Descriptor, sources: Sources): void {
  const { response } = exchange;
  response.setHeader(
    'Location',
    locationOf(exchange, sources, { kind: 'blob', method: 'GET', name, digest }),
  );
  response.setHeader('Docker-Content-Digest', digest);
  sendEmpty(exchange, 201);
}
