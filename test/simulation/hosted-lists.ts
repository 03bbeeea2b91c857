import type { Digest, RepositoryName, Tag } from '#src/oci/reference.ts';
import type { Door } from './door.ts';
import { lookBy } from './hosted-ledger.ts';
import type { PushableImage } from './pushable-images.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What is listed of a repository that lives here, compared with what may be. */
export class HostedLists {
  readonly #world: World;
  readonly #door: Door;

  constructor(world: World, door: Door) {
    this.#world = world;
    this.#door = door;
  }

  /** Asks what is listed, and compares it. */
  async tags(who: string, repository: RepositoryName): Promise<void> {
    const { hosted } = this.#world;
    const from = this.#world.time;
    let tags: readonly Tag[] = [];
    const answer = await this.#door.exchanges.run(`${who} GET tags ${repository}`, {
      work: async ({ server, signal }) => {
        ({ tags } = await server.registry.listTags(repository, { signal }));
      },
    });
    // Where there is no image there is no list.
    if (answer.kind !== 'ok' && !(answer.kind === 'failed' && answer.status === 404)) return;
    const look = lookBy(this.#door.name, from, this.#world.time);
    this.#door.hostedJudge.listed(`${who} tags of ${repository}`, tags, {
      mayBe: (tag) => hosted.mayLead(repository, tag, look),
      must: hosted.tagsOf(repository).filter((tag) => hosted.mustLead(repository, tag, look)),
    });
  }

  /** The same of what refers to a manifest. */
  async referrers(who: string, repository: RepositoryName, subject: Digest): Promise<void> {
    const { hosted } = this.#world;
    const from = this.#world.time;
    let digests: readonly Digest[] = [];
    const answer = await this.#door.exchanges.run(`${who} GET referrers ${repository} ${short(subject)}`, {
      work: async ({ server, signal }) => {
        const { referrers } = await server.registry.listReferrers(repository, subject, { signal });
        digests = referrers.map(({ digest }) => digest);
      },
    });
    if (answer.kind !== 'ok') return;
    const look = lookBy(this.#door.name, from, this.#world.time);
    const refers = (image: PushableImage | undefined): boolean => image?.subject === subject;
    this.#door.hostedJudge.listed(`${who} referrers of ${repository} ${subject}`, digests, {
      mayBe: (digest) => [...hosted.manifest(repository, digest).values(look)].some(refers),
      must: hosted
        .mustBeThere(repository, look)
        .filter(refers)
        .map(({ digest }) => digest),
    });
  }
}
