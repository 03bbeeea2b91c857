import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { contentKey, type Digest, type RepositoryName, type Tag } from '../../oci/reference.ts';
import type { TagRecord } from '../../storage/records.ts';

/**
 * When upstream was asked for something: an answer is as old as its question. `turn` orders the questions of this process, for
 * answers overtake each other and the time of day jumps; `at` in milliseconds since the epoch is for what is kept.
 */
export interface Asked {
  readonly at: number;
  readonly turn: number;
}

/** What upstream said, without its bytes, that a tag points at. */
export interface Announcement {
  readonly tag: Tag;
  readonly descriptor: Descriptor;
  readonly asked: Asked;
}

interface Remembered extends Announcement {
  readonly repository: RepositoryName;
  /** By {@link Clock.monotonic}. */
  readonly until: number;
}

interface Known {
  readonly repository: RepositoryName;
  /** Undefined: forgotten, though not that a question was answered. */
  readonly record: TagRecord | undefined;
  /** Of the last question that was answered; 0: it was read from the store. */
  readonly turn: number;
}

/** Who is told of a digest by a HEAD fetches it within seconds, or lets a deployment do so within minutes. */
const announcedMs = 3_600_000;
const maxAnnounced = 10_000;

/**
 * What is known of tags in memory: where they point, and where upstream has said that they point while that manifest is not here.
 * Only the answer to a later question replaces what is known.
 */
export class KnownTags {
  readonly #clock: Clock;
  readonly #records = new LRUCache<string, Known>({ max: 10_000 });
  readonly #announced = new LRUCache<string, Remembered>({
    max: maxAnnounced,
    dispose: (announcement) => this.#unlist(announcement),
  });
  /** The announcements above, by what they announce. */
  readonly #byDigest = new Map<string, Set<Remembered>>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called before upstream is asked. */
  asking(): Asked {
    this.#turn += 1;
    return { at: this.#clock.now(), turn: this.#turn };
  }

  /** `key`: {@link tagKey} of both, from who asks often. */
  get(repository: RepositoryName, tag: Tag, key = tagKey(repository, tag)): TagRecord | undefined {
    return this.#records.get(key)?.record;
  }

  /** Forgets it, if it is still what is known. */
  drop(repository: RepositoryName, record: TagRecord): void {
    const key = tagKey(repository, record.tag);
    if (this.#records.peek(key)?.record === record) this.#records.delete(key);
  }

  /** As {@link drop}, because the store knows better: what was asked before stays overtaken. */
  forget(repository: RepositoryName, record: TagRecord): void {
    const key = tagKey(repository, record.tag);
    const known = this.#records.peek(key);
    if (known?.record === record) this.#records.set(key, { ...known, record: undefined });
  }

  /** All that is known of where tags point. */
  all(): Iterable<Known> {
    return this.#records.values();
  }

  /** What the store has, unless something was learnt while it was read. */
  recall(repository: RepositoryName, record: TagRecord): TagRecord {
    const key = tagKey(repository, record.tag);
    const known = this.#records.get(key);
    if (known?.record !== undefined) return known.record;
    const recalled = withoutTexts(record);
    this.#records.set(key, { repository, record: recalled, turn: known?.turn ?? 0 });
    return recalled;
  }

  /** False, and nothing is changed: a later question was answered already, or this one was. */
  point(repository: RepositoryName, record: TagRecord, { turn }: Asked): boolean {
    const key = tagKey(repository, record.tag);
    if (this.#turnOf(key) >= turn) return false;
    this.#records.set(key, { repository, record, turn });
    const announced = this.#announced.peek(key);
    if (announced !== undefined && announced.asked.turn <= turn) this.#announced.delete(key);
    return true;
  }

  /** Holds for an hour, unless a later question was answered already. */
  announce(repository: RepositoryName, tag: Tag, descriptor: Descriptor, asked: Asked): void {
    const key = tagKey(repository, tag);
    const known = Math.max(this.#turnOf(key), this.#announced.peek(key)?.asked.turn ?? 0);
    if (known >= asked.turn) return;
    const until = this.#clock.monotonic() + announcedMs;
    const announcement: Remembered = { repository, tag, descriptor, asked, until };
    this.#announced.set(key, announcement);
    this.#list(announcement);
  }

  /** Undefined: nothing newer is announced than what is known. */
  announced(repository: RepositoryName, tag: Tag): Announcement | undefined {
    const found = this.#announced.get(tagKey(repository, tag));
    return found !== undefined && this.#holds(found) ? found : undefined;
  }

  announcementsOf(repository: RepositoryName, digest: Digest): readonly Announcement[] {
    const found = this.#byDigest.get(contentKey(repository, digest));
    return found === undefined ? [] : [...found].filter((announcement) => this.#holds(announcement));
  }

  #holds({ repository, tag, asked, until }: Remembered): boolean {
    return this.#clock.monotonic() < until && this.#turnOf(tagKey(repository, tag)) < asked.turn;
  }

  #turnOf(key: string): number {
    return this.#records.peek(key)?.turn ?? 0;
  }

  #list(announcement: Remembered): void {
    const key = contentKey(announcement.repository, announcement.descriptor.digest);
    const listed = this.#byDigest.get(key);
    if (listed === undefined) this.#byDigest.set(key, new Set([announcement]));
    else listed.add(announcement);
  }

  #unlist(announcement: Remembered): void {
    const key = contentKey(announcement.repository, announcement.descriptor.digest);
    const listed = this.#byDigest.get(key);
    listed?.delete(announcement);
    if (listed?.size === 0) this.#byDigest.delete(key);
  }
}

export function tagKey(repository: RepositoryName, tag: Tag): string {
  return `${repository}:${tag}`;
}

/** What a manifest says of itself may be long, and nobody who asks where a tag points wants it. */
function withoutTexts(record: TagRecord): TagRecord {
  const { artifactType, annotations, ...descriptor } = record.descriptor;
  return artifactType === undefined && annotations === undefined ? record : { ...record, descriptor };
}
