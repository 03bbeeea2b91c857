import { parseManifest } from './manifest.ts';
import { parseOriginalManifest } from './original-manifest.ts';
import { parseIndexChildren } from './platform.ts';
import type { Digest } from './reference.ts';
import { parseReferrers } from './referrers.ts';
import { parseSentManifest } from './sent-manifest.ts';
import { parseTagPage } from './tag-page.ts';

/** What was read: `items` may be many, the rest is little. */
export interface Reading<Head, Item> {
  readonly head: Head;
  readonly items: readonly Item[];
}

/**
 * What is made of JSON that may be large, by name, since it may be done in another thread: of bytes and plain values, and nothing else.
 * Each throws a {@link Fault} for bytes that are none of it.
 */
export const readings = {
  manifest: (bytes: Uint8Array, contentType: string | undefined) => ({
    head: parseManifest(bytes, contentType),
    items: [],
  }),
  'sent manifest': (bytes: Uint8Array, contentType: string | undefined) => ({
    head: parseSentManifest(bytes, contentType),
    items: [],
  }),
  children: (bytes: Uint8Array) => ({ head: undefined, items: parseIndexChildren(bytes) }),
  original: (bytes: Uint8Array, hex: string) => ({ head: parseOriginalManifest(bytes, hex), items: [] }),
  tags: (bytes: Uint8Array, maxEntries: number) => {
    const { tags, ...head } = parseTagPage(bytes, maxEntries);
    return { head, items: tags };
  },
  referrers: (bytes: Uint8Array, contentType: string | undefined, subject: Digest, maxEntries: number) => {
    const { referrers, ...head } = parseReferrers(bytes, contentType, subject, maxEntries);
    return { head, items: referrers };
  },
} satisfies Record<string, (bytes: Uint8Array, ...args: never[]) => Reading<unknown, unknown>>;

export type Readings = typeof readings;
/** What a reading is told besides the bytes. */
export type ArgumentsOf<Name extends keyof Readings> =
  Parameters<Readings[Name]> extends [Uint8Array, ...infer Rest] ? Rest : never;
