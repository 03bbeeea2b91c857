import { type Digest, isDigest, type Reference, type RepositoryName, type Tag } from '#src/oci/reference.ts';
import type { Answer } from './exchanges.ts';
import { lookAtIndex } from './hosted-ledger.ts';
import { isImmutable } from './plan-of-pushes.ts';
import type { PushExchange } from './push-exchange.ts';
import type { PushableImage } from './pushable-images.ts';
import type { Look } from './register.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Manifests and tags that a client puts or deletes: each answer is compared with what may be. */
export class ManifestPushes {
  readonly #exchange: PushExchange;
  readonly #world: World;

  constructor(exchange: PushExchange) {
    this.#exchange = exchange;
    this.#world = exchange.world;
  }

  async putManifest(
    who: string,
    repository: RepositoryName,
    reference: Reference,
    image: PushableImage,
  ): Promise<Answer<unknown>> {
    const { hosted, model, findings } = this.#world;
    const tag = isDigest(reference) ? undefined : reference;
    const from = this.#world.time;
    const led = tag !== undefined && isImmutable(tag) ? this.#ledTo(repository, tag) : undefined;
    const bytes = model.content.of(image.digest);
    const answer = await this.#exchange.ask({
      what: `${who} PUT manifest ${repository} ${reference} ${image.digest}`,
      end: hosted.puts(repository, image, tag, this.#exchange.asking),
      work: async (pushes) =>
        await pushes.putManifest(repository, reference, { bytes, contentType: image.mediaType, tags: [] }),
      mayFail: (status, look) =>
        (status === 404 && !this.#hasAll(repository, image, look)) ||
        (status === 409 &&
          tag !== undefined &&
          isImmutable(tag) &&
          this.#mayPointElsewhere(repository, tag, image, look)),
    });
    if (answer.kind !== 'ok') return answer;
    const look = lookAtIndex(from, this.#world.time);
    const lacking = image.blobs.filter((digest) => !hosted.blob(repository, digest).mayBe(true, look));
    if (lacking.length > 0)
      findings.add(
        'what was pushed is here',
        short(`${who} ${repository} ${image.digest} names ${lacking.join(' ')}`),
      );
    if (led !== undefined && led !== image.digest)
      findings.add('a pushed tag is its last push', `${repository}:${tag} is immutable and moved`);
    return answer;
  }

  async deleteTag(who: string, repository: RepositoryName, tag: Tag): Promise<Answer<unknown>> {
    const { hosted } = this.#world;
    const answer = await this.#exchange.ask({
      what: `${who} DELETE tag ${repository} ${tag}`,
      end: hosted.tag(repository, tag).begin(undefined, this.#exchange.asking),
      work: async (pushes) => await pushes.deleteTag(repository, tag),
      mayFail: (status, look) =>
        (status === 404 && !hosted.mustLead(repository, tag, look)) || (status === 403 && isImmutable(tag)),
    });
    if (answer.kind === 'ok' && isImmutable(tag))
      this.#world.findings.add(
        'a pushed tag is its last push',
        `${repository}:${tag} is immutable and was deleted`,
      );
    return answer;
  }

  async deleteManifest(who: string, repository: RepositoryName, digest: Digest): Promise<Answer<unknown>> {
    const { hosted, findings } = this.#world;
    const from = this.#world.time;
    const answer = await this.#exchange.ask({
      what: `${who} DELETE manifest ${repository} ${digest}`,
      end: hosted.deletesManifest(repository, digest, this.#exchange.asking),
      work: async (pushes) => await pushes.deleteManifest(repository, digest),
      mayFail: (status, look) =>
        (status === 404 && hosted.manifest(repository, digest).mayBe(undefined, look)) ||
        (status === 403 && this.#mayBeTagged(repository, digest, isImmutable, look)) ||
        (status === 503 && this.#mayBeTagged(repository, digest, () => true, look)) ||
        (status === 405 && hosted.mayBeNamed(repository, digest, look)),
    });
    const look = lookAtIndex(from, this.#world.time);
    const isNamed = hosted
      .mustBeThere(repository, look)
      .some(({ children }) => children.some((child) => child.digest === digest));
    if (answer.kind === 'ok' && isNamed)
      findings.add(
        'what is needed is not taken away',
        short(`${who} ${repository}@${digest}, which an index names`),
      );
    return answer;
  }

  #hasAll(repository: RepositoryName, { blobs, children }: PushableImage, look: Look): boolean {
    const { hosted, spoilt } = this.#world;
    return (
      blobs.every((digest) => hosted.mustHave(repository, digest, look) && !spoilt.has(digest)) &&
      children.every(({ digest }) => !hosted.manifest(repository, digest).mayBe(undefined, look))
    );
  }

  /** Where the tag points now, whatever others do; undefined: perhaps nowhere. */
  #ledTo(repository: RepositoryName, tag: Tag): Digest | undefined {
    const { hosted, time } = this.#world;
    const [digest, ...others] = hosted.tag(repository, tag).values(lookAtIndex(time, time));
    return others.length === 0 ? digest : undefined;
  }

  #mayPointElsewhere(repository: RepositoryName, tag: Tag, { digest }: PushableImage, look: Look): boolean {
    const values = this.#world.hosted.tag(repository, tag).values(look);
    return [...values].some((value) => value !== undefined && value !== digest);
  }

  #mayBeTagged(
    repository: RepositoryName,
    digest: Digest,
    isMeant: (tag: Tag) => boolean,
    look: Look,
  ): boolean {
    const { hosted } = this.#world;
    const tags = hosted.tagsOf(repository).filter(isMeant);
    return tags.some((tag) => hosted.tag(repository, tag).mayBe(digest, look));
  }
}
