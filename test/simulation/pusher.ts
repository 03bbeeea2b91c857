import type { Digest, RepositoryName, Tag } from '#src/oci/reference.ts';
import { BlobPushes } from './blob-pushes.ts';
import type { Door } from './door.ts';
import { HostedLists } from './hosted-lists.ts';
import { ManifestPushes } from './manifest-pushes.ts';
import type { PusherPlan } from './plan.ts';
import { hostedRepositories, pushedTags } from './plan-of-pushes.ts';
import { PushExchange } from './push-exchange.ts';
import type { PushableImage } from './pushable-images.ts';
import type { Random } from './random.ts';
import { UploadClient } from './upload-client.ts';
import { UploadPushes } from './upload-pushes.ts';
import type { World } from './world.ts';

/** Through one server. */
interface Access {
  readonly door: Door;
  readonly blobs: BlobPushes;
  readonly manifests: ManifestPushes;
  readonly uploads: UploadPushes;
  readonly lists: HostedLists;
}

/** Where there are two servers a request goes to the other one so often. */
const wanders = 0.2;
const restAfterLossMs = 300;

/** Somebody who pushes images to repositories that live here, pulls and deletes them. */
export class Pusher {
  readonly #plan: PusherPlan;
  readonly #world: World;
  readonly #accesses: readonly Access[];
  readonly #random: Random;
  readonly #name: string;

  /** `doors`: the first is the usual one. */
  constructor(plan: PusherPlan, world: World, doors: readonly Door[]) {
    this.#plan = plan;
    this.#world = world;
    this.#name = `pusher${plan.id}`;
    this.#random = world.random.fork(`pusher ${plan.id}`);
    this.#accesses = doors.map((door) => {
      const exchange = new PushExchange(world, door);
      return {
        door,
        ...{ blobs: new BlobPushes(exchange), manifests: new ManifestPushes(exchange) },
        ...{ uploads: new UploadPushes(exchange), lists: new HostedLists(world, door) },
      };
    });
  }

  /** Goes on until the scenario’s time is over. */
  async run(): Promise<void> {
    await this.#pause(this.#plan.comesAt);
    while (!this.#isOver) {
      await this.#visit(this.#random.pick(hostedRepositories));
      await this.#pause(this.#random.about(this.#plan.restMs));
    }
  }

  async #visit(repository: RepositoryName): Promise<void> {
    const [image, tag] = [this.#random.pick(this.#world.pushable), this.#random.pick(pushedTags)];
    const { manifests, blobs } = this.#any;
    const does = this.#random.pick([
      ...Array.from({ length: 6 }, () => async () => await this.#push(repository, image, tag)),
      ...Array.from({ length: 4 }, () => async () => await this.#pull(repository, tag)),
      async () => await this.#list(repository, image.digest),
      async () => await manifests.deleteTag(this.#name, repository, tag),
      async () => await manifests.deleteManifest(this.#name, repository, image.digest),
      async () => await blobs.deleteBlob(this.#name, repository, this.#blobOf(image)),
      async () => await this.#upload(repository, this.#blobOf(image)).giveUp(),
      async () => await this.#pushWrong(repository, image),
    ]);
    await does();
  }

  /** What an index names first; then blobs; then the manifest, once more where it lacks something by then. */
  async #push(repository: RepositoryName, image: PushableImage, tag: Tag | undefined): Promise<void> {
    for (let tries = 0; tries < 2 && !this.#isOver; tries += 1) {
      for (const child of image.children) await this.#push(repository, child, undefined);
      for (const digest of image.blobs) await this.#bring(repository, digest);
      const reference = tag !== undefined && this.#random.chance(0.85) ? tag : image.digest;
      const answer = await this.#any.manifests.putManifest(this.#name, repository, reference, image);
      if (answer.kind === 'lost') await this.#pause(restAfterLossMs);
      if (answer.kind !== 'failed' || answer.status !== 404) return;
    }
  }

  /** The tag, what it points at, and all that it names. */
  async #pull(repository: RepositoryName, tag: Tag): Promise<void> {
    const { door } = this.#any;
    const answer = await door.getManifest(this.#name, repository, tag);
    if (answer.kind !== 'ok') return;
    const { digest } = answer.value.descriptor;
    const image = this.#world.pushable.find((each) => each.digest === digest);
    for (const child of image?.children ?? [])
      await this.#any.door.getManifest(this.#name, repository, child.digest);
    for (const blob of image?.blobs ?? [])
      await this.#any.door.getBlob(this.#name, repository, blob, { chunkMs: 0 });
  }

  async #list(repository: RepositoryName, subject: Digest): Promise<void> {
    await this.#any.lists.tags(this.#name, repository);
    await this.#any.lists.referrers(this.#name, repository, subject);
  }

  /** In one of the ways that there are. */
  async #bring(repository: RepositoryName, digest: Digest): Promise<void> {
    if (this.#isOver) return;
    const { door, blobs } = this.#any;
    if (this.#random.chance(0.4)) {
      const answer = await door.headBlob(this.#name, repository, digest);
      if (answer.kind === 'ok') return;
    }
    const whole = { bytes: this.#world.model.content.of(digest), chunkMs: this.#plan.chunkMs };
    const does = this.#random.pick([
      async () => await blobs.mount(this.#name, repository, digest, this.#sourceOf(repository, digest)),
      async () => await blobs.putBlob(this.#name, repository, digest, { ...whole, saysLength: true }),
      async () => await this.#upload(repository, digest).sendAtOnce(),
      async () => await this.#upload(repository, digest).send(this.#random.between(1, 4)),
    ]);
    await does();
  }

  /** Another that lives here, or one that is cached. */
  #sourceOf(repository: RepositoryName, digest: Digest): RepositoryName {
    const cached = [...this.#world.model.repositories.values()].filter(({ blobs }) => blobs.has(digest));
    const others = hostedRepositories.filter((other) => other !== repository);
    return this.#random.pick([...others, ...cached.map(({ name }) => name)]);
  }

  /** Bytes of another blob. */
  async #pushWrong(repository: RepositoryName, image: PushableImage): Promise<void> {
    const [right, wrong] = [image.blobs[0], image.blobs[1]];
    if (right === undefined || wrong === undefined) return;
    if (this.#random.chance(0.5)) await this.#upload(repository, right).sendAtOnce(wrong);
    else {
      const bytes = this.#world.model.content.of(right);
      const sending = { bytes, chunkMs: 0, saysLength: true };
      await this.#any.blobs.putBlob(this.#name, repository, wrong, sending);
    }
  }

  #upload(repository: RepositoryName, digest: Digest): UploadClient {
    const { chunkMs, breaks } = this.#plan;
    return new UploadClient({
      ...{ world: this.#world, random: this.#random, who: this.#name, repository, digest, chunkMs, breaks },
      uploads: () => this.#any.uploads,
      pause: async (milliseconds) => await this.#pause(milliseconds),
    });
  }

  #blobOf({ blobs, children: [child] }: PushableImage): Digest {
    return this.#random.pick(child === undefined ? blobs : child.blobs);
  }

  get #any(): Access {
    const [usual, other] = this.#accesses as [Access, Access | undefined];
    return other !== undefined && this.#random.chance(wanders) ? other : usual;
  }

  get #isOver(): boolean {
    return this.#world.time >= this.#world.plan.durationMs || this.#world.findings.first !== undefined;
  }

  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.scheduler.after(milliseconds, undefined, resolve));
  }
}
