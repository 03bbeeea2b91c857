import type { Digest, RepositoryName, Tag } from '#src/oci/reference.ts';
import { newsMs } from './ledger.ts';
import type { PushableImage } from './pushable-images.ts';
import { type Ended, type Look, Register } from './register.ts';

/** Who asks for a change, and when. Fake milliseconds. */
export interface Asking {
  readonly from: number;
  /** Which server. */
  readonly by: string;
}

/** Says how the changes of one request have ended. */
export type End = (ended: Ended, time: number) => void;

/** A repository that lives here, as its clients know it. */
class HostedRepository {
  /** Until when blobs stay that nothing names, by what was answered to a push, and by what was answered to HEAD: that does not survive a power cut. */
  readonly leased = new Map<Digest, number>();
  readonly looked = new Map<Digest, number>();
  readonly tags = new Map<Tag, Register<Digest>>();
  readonly manifests = new Map<Digest, Register<PushableImage>>();
  readonly blobs = new Map<Digest, Register<true>>();
}

/** What clients have pushed, mounted and deleted, how that was answered, and hence what may be where. */
export class HostedLedger {
  readonly #repositories = new Map<RepositoryName, HostedRepository>();

  get repositories(): readonly RepositoryName[] {
    return [...this.#repositories.keys()];
  }

  tagsOf(repository: RepositoryName): readonly Tag[] {
    return [...this.#of(repository).tags.keys()];
  }

  manifestsOf(repository: RepositoryName): readonly Digest[] {
    return [...this.#of(repository).manifests.keys()];
  }

  blobsOf(repository: RepositoryName): readonly Digest[] {
    return [...this.#of(repository).blobs.keys()];
  }

  tag(repository: RepositoryName, tag: Tag): Register<Digest> {
    return known(this.#of(repository).tags, tag, () => new Register());
  }

  manifest(repository: RepositoryName, digest: Digest): Register<PushableImage> {
    return known(this.#of(repository).manifests, digest, () => new Register());
  }

  blob(repository: RepositoryName, digest: Digest): Register<true> {
    return known(this.#of(repository).blobs, digest, () => new Register());
  }

  puts(repository: RepositoryName, image: PushableImage, tag: Tag | undefined, asking: Asking): End {
    const ends = [this.manifest(repository, image.digest).begin(image, asking)];
    if (tag !== undefined) ends.push(this.tag(repository, tag).begin(image.digest, asking));
    return all(ends);
  }

  /** Its tags go with it, whichever those are then. */
  deletesManifest(repository: RepositoryName, digest: Digest, asking: Asking): End {
    const end = this.manifest(repository, digest).begin(undefined, asking);
    return (ended, time) => {
      end(ended, time);
      if (ended === 'refused') return;
      const mayComeUntil = ended === 'done' ? time : ended.mayComeUntil;
      const look = lookAtIndex(asking.from, mayComeUntil);
      const itsTags = [...this.#of(repository).tags.values()].filter((tag) => tag.mayBe(digest, look));
      for (const tag of itsTags) tag.begin(undefined, asking)({ mayComeUntil }, time);
    };
  }

  /** Nobody takes away what a push has brought before then, or what was looked for. Fake milliseconds. */
  lease(
    repository: RepositoryName,
    digest: Digest,
    until: number,
    why: 'leased' | 'looked' = 'leased',
  ): void {
    const leases = this.#of(repository)[why];
    leases.set(digest, Math.max(until, leases.get(digest) ?? 0));
  }

  cutPower(): void {
    for (const { looked } of this.#repositories.values()) looked.clear();
  }

  /** Is there a manifest that names it, whatever others do? */
  isNamed(repository: RepositoryName, digest: Digest, look: Look): boolean {
    return this.mustBeThere(repository, look).some(({ blobs }) => blobs.includes(digest));
  }

  /** May there be one? */
  mayBeNamed(repository: RepositoryName, digest: Digest, look: Look): boolean {
    const manifests = [...this.#of(repository).manifests.values()];
    return manifests.some((register) =>
      [...register.values(look)].some((image) => image !== undefined && namesOf(image).includes(digest)),
    );
  }

  /** Has the repository the blob, whatever others do? */
  mustHave(repository: RepositoryName, digest: Digest, look: Look): boolean {
    if (this.isNamed(repository, digest, look)) return true;
    const { leased, looked } = this.#of(repository);
    const keptUntil = Math.max(leased.get(digest) ?? 0, looked.get(digest) ?? 0);
    return keptUntil > look.to && this.blob(repository, digest).must(true, look);
  }

  /** Does the tag lead to a manifest, whatever others do? */
  mustLead(repository: RepositoryName, tag: Tag, look: Look): boolean {
    return [...this.tag(repository, tag).values(look)].every(
      (digest) => digest !== undefined && !this.manifest(repository, digest).mayBe(undefined, look),
    );
  }

  /** May it? */
  mayLead(repository: RepositoryName, tag: Tag, look: Look): boolean {
    return [...this.tag(repository, tag).values(look)].some((digest) => digest !== undefined);
  }

  /** May there be a manifest of this digest? */
  mayBeThere(repository: RepositoryName, digest: Digest, look: Look): boolean {
    return [...this.manifest(repository, digest).values(look)].some((image) => image !== undefined);
  }

  /** Manifests of which it is certain that they are there. */
  mustBeThere(repository: RepositoryName, look: Look): readonly PushableImage[] {
    return [...this.#of(repository).manifests.values()].flatMap((register) => {
      const [image, ...others] = register.values(look);
      return image === undefined || others.length > 0 ? [] : [image];
    });
  }

  #of(repository: RepositoryName): HostedRepository {
    return known(this.#repositories, repository, () => new HostedRepository());
  }
}

/** Whoever asks one server knows at once what that has changed, and a little later what another has. */
export function lookBy(server: string, from: number, to: number): Look {
  return { from, to, lagMs: (by) => (by === server ? 0 : newsMs) };
}

/** What is asked of the index itself, which all servers share. */
export function lookAtIndex(from: number, to: number): Look {
  return { from, to, lagMs: () => 0 };
}

function namesOf({ blobs, children }: PushableImage): readonly Digest[] {
  return [...blobs, ...children.map(({ digest }) => digest)];
}

function all(ends: readonly End[]): End {
  return (ended, time) => {
    for (const end of ends) end(ended, time);
  };
}

function known<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const there = map.get(key) ?? make();
  map.set(key, there);
  return there;
}
