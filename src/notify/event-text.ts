import { randomUUID } from 'node:crypto';
import type { ContentEvent } from '../observe/content-event.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobType } from '../oci/media-type.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** Of distribution's notifications ("Notifications", "Envelope"). */
export const eventsType = 'application/vnd.docker.distribution.events.v1+json';

/** Who tells. */
export interface EventSource {
  /** Where clients reach this server, without a slash at its end; undefined: where each came. */
  readonly publicUrl: string | undefined;
  readonly scheme: 'http' | 'https';
  /** Host and port, and a process of it. */
  readonly addr: string;
  readonly instanceID: string;
  /** How a repository is called in URLs of this server. */
  readonly nameOf: (repository: RepositoryName) => string;
}

/** distribution's, and what ours have besides: `fromDigest` and `tags`. What is not known of an event is left out. */
interface Target {
  readonly mediaType?: string;
  readonly size?: number;
  readonly length?: number;
  readonly digest?: Digest | undefined;
  readonly repository: string;
  readonly fromRepository?: string;
  readonly fromDigest?: Digest;
  readonly url?: string | undefined;
  readonly tag?: Tag | undefined;
  readonly tags?: readonly Tag[];
}

/** One event as it stands in an envelope, with an id of its own that it keeps however often it is sent. */
export function eventText(event: ContentEvent, source: EventSource): string {
  const { addr, instanceID } = source;
  return JSON.stringify({
    id: randomUUID(),
    timestamp: new Date(event.at).toISOString(),
    action: event.kind,
    target: targetOf(event, source),
    ...('request' in event && { request: requestOf(event) }),
    actor: 'request' in event && event.request.actor !== undefined ? { name: event.request.actor } : {},
    source: { addr, instanceID },
  });
}

/** `texts`: of events. */
export function envelopeOf(texts: readonly string[]): string {
  return `{"events":[${texts.join(',')}]}`;
}

function requestOf({ request }: Extract<ContentEvent, { request: unknown }>) {
  const { id, address, host, method, userAgent } = request;
  return { id, addr: address, host, method, useragent: userAgent };
}

function targetOf(event: ContentEvent, source: EventSource): Target {
  const repository = source.nameOf(event.repository);
  switch (event.kind) {
    case 'delete':
      return { repository, digest: event.digest, tag: event.tag };
    case 'evict':
      return { repository, digest: event.digest, tags: event.tags };
    case 'moved':
      return { repository, digest: event.to, fromDigest: event.from, tag: event.tag };
    case 'gone':
      return { repository, tag: event.tag };
    default: {
      const { descriptor, tag } = event;
      const from = event.kind === 'mount' ? { fromRepository: source.nameOf(event.from) } : {};
      return { ...contentOf(descriptor), repository, ...from, url: urlOf(event, source), tag };
    }
  }
}

/** distribution says the size twice. */
function contentOf({ mediaType, size, digest }: Pick<Descriptor, 'mediaType' | 'size' | 'digest'>) {
  return { mediaType, size, length: size, digest };
}

function urlOf(
  event: Extract<ContentEvent, { descriptor: unknown }>,
  { publicUrl, scheme, nameOf }: EventSource,
): string | undefined {
  const { mediaType, digest } = event.descriptor;
  const host = 'request' in event ? event.request.host : undefined;
  const base = publicUrl ?? (host === undefined ? undefined : `${scheme}://${host}`);
  if (base === undefined) return undefined;
  return `${base}/v2/${nameOf(event.repository)}/${mediaType === blobType ? 'blobs' : 'manifests'}/${digest}`;
}
