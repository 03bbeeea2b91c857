import { parseManifest } from '#src/oci/manifest.ts';
import type { Digest, RepositoryName } from '#src/oci/reference.ts';
import type { Door } from './door.ts';
import type { Answer } from './exchanges.ts';
import type { ClientKind, ClientPlan } from './plan.ts';
import type { Random } from './random.ts';
import type { World, WorldImage } from './world.ts';

/** Blobs of one image at a time, as containerd has it. */
const parallel = 3;
const maxTries = 3;

/** Somebody who pulls images, in the manner of a known client. */
export class Client {
  readonly #plan: ClientPlan;
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #name: string;

  constructor(plan: ClientPlan, world: World, door: Door) {
    this.#plan = plan;
    this.#world = world;
    this.#door = door;
    this.#name = `${plan.kind}${plan.id}`;
    this.#random = world.random.fork(`client ${plan.id}`);
  }

  /** Goes on until the scenario’s time is over. */
  async run(): Promise<void> {
    const { comesAt, restMs, images, kind } = this.#plan;
    await this.#pause(comesAt);
    if (kind === 'sweeper') {
      for (const place of images) if (!this.#isOver) await this.#visit(place);
      return;
    }
    while (!this.#isOver) {
      await this.#visit(this.#random.pick(images));
      await this.#pause(this.#random.about(restMs));
    }
  }

  async #visit(place: number): Promise<void> {
    const image = this.#world.images[place];
    if (image === undefined) return;
    await manners[this.#plan.kind].call(this, image);
  }

  /** HEAD of the tag, then all by digest, blobs in parallel: containerd. */
  async pull({ repository: { name }, tag }: WorldImage): Promise<void> {
    const head = await this.#tried(async () => await this.#door.headManifest(this.#name, name, tag));
    if (head !== undefined) await this.#pullManifest(name, head);
  }

  /** GET of the tag, then one blob after the other, each looked for before: skopeo. */
  async copy({ repository: { name }, tag }: WorldImage): Promise<void> {
    const manifest = await this.#tried(async () => await this.#door.getManifest(this.#name, name, tag));
    if (manifest === undefined) return;
    const { blobs, manifests } = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
    for (const { digest } of manifests) await this.#pullManifest(name, digest);
    for (const { digest } of blobs) {
      if (this.#random.chance(0.5)) await this.#door.headBlob(this.#name, name, digest);
      await this.#getBlob(name, digest);
    }
  }

  /** Parts of blobs: lazy pullers. */
  async range({ repository: { name, blobs } }: WorldImage): Promise<void> {
    if (blobs.size === 0) return;
    const digest = this.#random.pick([...blobs]);
    const size = this.#world.model.content.sizeOf(digest);
    if (size === 0) return;
    const first = this.#random.between(0, size - 1);
    const range = this.#random.pick([
      { first, last: Math.min(size - 1, first + this.#random.between(0, 100_000)) },
      { first },
      { suffix: this.#random.between(1, size) },
    ]);
    await this.#door.getBlob(this.#name, name, digest, { range, chunkMs: this.#plan.chunkMs });
  }

  async watch({ repository: { name }, tag }: WorldImage): Promise<void> {
    await this.#door.headManifest(this.#name, name, tag);
  }

  /** GET of the tag, and nothing else, again and again. */
  async hammer({ repository: { name }, tag }: WorldImage): Promise<void> {
    await this.#door.getManifest(this.#name, name, tag);
  }

  /** Asks a repository for a blob of another. */
  async probe({ repository: { name, host, blobs } }: WorldImage): Promise<void> {
    const others = [...this.#world.model.repositories.values()].filter((other) => other.host === host);
    const foreign = others.flatMap((other) => [...other.blobs]).filter((digest) => !blobs.has(digest));
    if (foreign.length === 0) return;
    const digest = this.#random.pick(foreign);
    if (this.#random.chance(0.3)) await this.#door.headBlob(this.#name, name, digest);
    else await this.#door.getBlob(this.#name, name, digest, { chunkMs: 0 });
  }

  async #pullManifest(name: RepositoryName, reference: Digest): Promise<void> {
    const manifest = await this.#tried(async () => await this.#door.getManifest(this.#name, name, reference));
    if (manifest === undefined) return;
    const { blobs, manifests } = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
    const child = manifests.length === 0 ? undefined : this.#random.pick(manifests);
    if (child !== undefined) await this.#pullManifest(name, child.digest);
    // What the node has it does not ask for.
    const wanted = blobs.filter(() => !this.#random.chance(this.#plan.kind === 'sweeper' ? 0 : 0.1));
    const queue = wanted[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (const { digest } of queue) await this.#getBlob(name, digest);
    };
    await Promise.all(Array.from({ length: parallel }, worker));
  }

  async #getBlob(name: RepositoryName, digest: Digest): Promise<void> {
    const { chunkMs, leaves } = this.#plan;
    const leavesAfter = this.#random.chance(leaves) ? this.#random.between(0, 3) : undefined;
    await this.#tried(
      async () => await this.#door.getBlob(this.#name, name, digest, { chunkMs, leavesAfter }),
    );
  }

  /** Again after a failure, later each time. Undefined: given up. */
  async #tried<Value>(ask: () => Promise<Answer<Value>>): Promise<Value | undefined> {
    for (let tries = 1; ; tries += 1) {
      const answer = await ask();
      if (answer.kind === 'ok') return answer.value;
      if (answer.kind === 'left' || tries === maxTries || this.#isOver) return undefined;
      await this.#pause(this.#random.about(answer.kind === 'lost' ? 300 : 500 * tries));
    }
  }

  get #isOver(): boolean {
    return this.#world.time >= this.#world.plan.durationMs || this.#world.findings.first !== undefined;
  }

  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.scheduler.after(milliseconds, undefined, resolve));
  }
}

const manners: Readonly<Record<ClientKind, (this: Client, image: WorldImage) => Promise<void>>> = {
  puller: Client.prototype.pull,
  sweeper: Client.prototype.pull,
  copier: Client.prototype.copy,
  ranger: Client.prototype.range,
  watcher: Client.prototype.watch,
  hammer: Client.prototype.hammer,
  prober: Client.prototype.probe,
};
