import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest, isHosted, parseReference } from '../../oci/reference.ts';
import { setCacheStatus } from '../exchange/cache-status.ts';
import { type Exchange, largeBody } from '../exchange/exchange.ts';
import { answersNotModified } from '../exchange/not-modified.ts';
import { sendLarge } from '../exchange/send-large.ts';
import type { Call, Sources } from './call.ts';
import { eventRequestOf } from './pushing.ts';

const pieceBytes = 64 * 1024;

/** GET and HEAD of a manifest (distribution-spec "Pulling manifests"): its bytes and media type exactly as upstream's. */
export async function manifest(
  { exchange, request, repository }: Call<'manifest'>,
  { registry, tell }: Sources,
): Promise<void> {
  const reference = parseReference(request.reference);
  const isImmutable = isDigest(reference);
  if (exchange.isHead) {
    const descriptor = await exchange.ask(
      async (options) => await registry.resolveManifest(repository, reference, options),
    );
    if (describe(exchange, descriptor, isImmutable)) return;
    exchange.response.setHeader('Content-Length', descriptor.size);
    exchange.response.end();
  } else {
    const { descriptor, bytes } = await exchange.ask(
      async (options) => await registry.getManifest(repository, reference, options),
    );
    if (describe(exchange, descriptor, isImmutable)) return;
    if (bytes.length < largeBody) exchange.send(200, descriptor.mediaType, bytes);
    else await sendLarge(exchange, descriptor.mediaType, piecesOf(bytes));
    if (tell === undefined || !isHosted(repository)) return;
    // Each is told of: none is given again unseen.
    exchange.standing = undefined;
    const tag = isDigest(reference) ? undefined : reference;
    tell({
      ...{ kind: 'pull', at: exchange.clock.now(), repository, descriptor, tag },
      request: eventRequestOf(exchange),
    });
  }
}

/** Each of which a connection, an encrypted one too, may hold a copy of. */
function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / pieceBytes);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes));
}

/** Sets the headers; true if the client has it already and was told so (304). */
function describe(exchange: Exchange, descriptor: Descriptor, isImmutable: boolean): boolean {
  const { response } = exchange;
  response.setHeader('Content-Type', descriptor.mediaType);
  response.setHeader('Docker-Content-Digest', descriptor.digest);
  response.setHeader('ETag', `"${descriptor.digest}"`);
  response.setHeader('Cache-Control', isImmutable ? 'max-age=31536000, immutable' : 'no-cache');
  setCacheStatus(response, exchange.outcome);
  return answersNotModified(exchange);
}
