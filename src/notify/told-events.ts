import { isObject } from '../oci/descriptor.ts';
import { type Digest, isDigestText, isTagText, type Tag } from '../oci/reference.ts';

/** What a registry says that happened there: claims, all of it. */
export interface ToldEvent {
  readonly action: string;
  /** Undefined: it cannot be told from another. */
  readonly id: string | undefined;
  /** Hosts under which the registry was reached, as far as it says. */
  readonly hosts: readonly string[];
  /** Path of the repository there; not judged. */
  readonly repository: string;
  readonly tag: Tag | undefined;
  readonly digest: Digest | undefined;
}

/** What it says that may have moved a tag: distribution's words, and ours of a cache behind this one. */
const moving: ReadonlySet<string> = new Set(['push', 'delete', 'mount', 'moved', 'gone']);

const maxText = 256;

/** More in one envelope is no registry's. */
export const maxEvents = 1000;

/**
 * Those of an envelope (distribution "Notifications") after which a tag may point elsewhere; others say nothing of use. Undefined: it is no envelope,
 * or has too many.
 */
export function toldEvents(envelope: unknown): readonly ToldEvent[] | undefined {
  const events = isObject(envelope) ? envelope['events'] : undefined;
  if (!Array.isArray(events) || events.length > maxEvents || !events.every(isObject)) return undefined;
  return events.flatMap((event) => toldEvent(event) ?? []);
}

function toldEvent(event: Readonly<Record<string, unknown>>): ToldEvent | undefined {
  const { action, id, request, target } = event;
  if (typeof action !== 'string' || !moving.has(action) || !isObject(target)) return undefined;
  const repository = textIn(target['repository']);
  if (repository === undefined) return undefined;
  const [tag, digest] = [textIn(target['tag']), textIn(target['digest'])];
  const host = isObject(request) ? textIn(request['host']) : undefined;
  return {
    action,
    id: textIn(id),
    hosts: [hostIn(target['url']), host].filter((text) => text !== undefined),
    repository,
    tag: tag !== undefined && isTagText(tag) ? tag : undefined,
    digest: digest !== undefined && isDigestText(digest) ? digest : undefined,
  };
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxText ? value : undefined;
}

function hostIn(url: unknown): string | undefined {
  const text = typeof url === 'string' && url.length <= 2048 && URL.canParse(url) ? new URL(url).host : '';
  return text === '' ? undefined : text;
}
