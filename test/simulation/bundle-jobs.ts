import { LoadError } from '#src/load/load-error.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import type { ImageRecord } from '#src/storage/records.ts';
import { wrongInBundle } from './bundle-check.ts';
import { runCommand } from './command.ts';
import type { Door } from './door.ts';
import { exportInto } from './export-job.ts';
import { importBundles } from './import-job.ts';
import { promisedOf } from './imported-image.ts';
import type { Job } from './job-parts.ts';
import type { Had } from './ledger.ts';
import { MemoryBundle } from './memory-bundle.ts';
import type { BundlePlan } from './plan.ts';
import type { Random } from './random.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

type Promised = Omit<Had, 'since'>;

/** What was imported is promised after so long. Milliseconds. */
const settledMs = 1100;

/** Exports and imports beside the clients, and looks at what came of them. */
export class BundleJobs {
  readonly #world: World;
  readonly #doors: readonly Door[];
  readonly #random: Random;
  #count = 0;

  constructor(world: World, doors: readonly Door[]) {
    this.#world = world;
    this.#doors = doors;
    this.#random = world.random.fork('bundles');
  }

  async run(plan: BundlePlan): Promise<void> {
    this.#count += 1;
    const name = `${plan.kind} ${this.#count}`;
    this.#world.scheduler.note(`${name} begins`);
    try {
      await (plan.kind === 'export' ? this.#export(name, plan) : this.#import(name, plan));
    } catch (error) {
      this.#world.scheduler.note(`${name}: ${short(String(error))}`);
      this.#failed(name, error);
    }
    // Nothing is half here, whoever was killed.
    for (const { server } of this.#doors) void server?.checkWhole().catch(() => undefined);
  }

  async #export(name: string, { image, isWithEarlier, killedAfter }: BundlePlan): Promise<void> {
    const { bundles, findings, model, images } = this.#world;
    const bundle = new MemoryBundle(isWithEarlier ? bundles.at(-1) : undefined);
    const chosen = image === undefined ? undefined : images[image];
    const only = chosen && `${chosen.repository.name}:${chosen.tag}`;
    const matches = (other: string): boolean => only === undefined || other === only;
    const takesBack = this.#random.chance(0.5);
    const whole = await this.#work(
      name,
      killedAfter,
      async (parts) => await exportInto(bundle, { matches, takesBack }, parts),
    );
    if (whole === undefined || !bundle.isFinished) return;
    bundles.push(bundle);
    this.#world.scheduler.note(`${name}: ${bundle.images.length} names, ${bundle.files.size} files`);
    for (const wrong of await wrongInBundle(bundle, model))
      findings.add('bundles are whole', `${name}: ${wrong}`);
    for (const { repository, descriptor, tags } of whole.filter((each) => this.#isExpected(each)))
      for (const tag of tags) {
        const told = bundle.images.find((each) => each.name === `${repository}:${tag}`);
        if (!matches(`${repository}:${tag}`) || (told !== undefined && told.problem === undefined)) continue;
        const problem = told?.problem ?? 'nobody says so';
        findings.add(
          'what is here is exported',
          short(`${name}: ${repository}:${tag}, ${descriptor.digest}: ${problem}`),
        );
      }
  }

  /** Of an index only what is whole is exported, and nothing that somebody has removed or spoilt meanwhile. */
  #isExpected({ repository: name, descriptor: { digest } }: ImageRecord): boolean {
    const { model, spoilt } = this.#world;
    const manifest = model.repositories.get(name)?.manifests.get(digest);
    if (manifest === undefined || manifest.children.length > 0 || this.#isRemoved) return false;
    return ![digest, ...manifest.blobs].some((each) => spoilt.has(each));
  }

  async #import(name: string, { isWithEarlier, isCutAt, killedAfter }: BundlePlan): Promise<void> {
    const { bundles: made, imported } = this.#world;
    const last = made.at(-1);
    if (last === undefined) return;
    const bundles = isWithEarlier ? last.chain : [last];
    const known = bundles.flatMap(({ images }) => images);
    using _ = imported.begin(known.map(({ name: each, descriptor: { digest } }) => ({ name: each, digest })));
    const promised: Promised[] = [];
    const isWhole = isWithEarlier && isCutAt === undefined;
    const ended = (image: LoadedImage): void => {
      this.#judge(name, image, isWhole);
      promised.push(...this.#promise(image, last));
    };
    const order = { bundles, cutAt: isCutAt, ended };
    await this.#work(name, killedAfter, async (parts) => await importBundles(order, parts));
    await this.#audit(promised);
  }

  #judge(name: string, { name: image, problem }: LoadedImage, isWhole: boolean): void {
    const { scheduler, plan, findings } = this.#world;
    scheduler.note(short(`${name}: ${image}: ${problem ?? 'is here'}`));
    if (problem !== undefined && isWhole && !this.#isRemoved && plan.full === undefined)
      findings.add('what is exported is imported', short(`${name}: ${image}: ${problem}`));
  }

  #promise({ name, digest, problem }: LoadedImage, bundle: MemoryBundle): readonly Promised[] {
    if (digest === undefined || problem !== undefined) return [];
    const promised = promisedOf(name, digest, bundle, this.#world.model);
    for (const had of promised) this.#doors[0]?.promise(had);
    return promised;
  }

  /** Upstream is down, and what came is served. */
  async #audit(promised: readonly Promised[]): Promise<void> {
    const { scheduler, faults, findings } = this.#world;
    if (promised.length === 0) return;
    await new Promise<void>((resolve) => scheduler.after(settledMs, undefined, resolve));
    const door = this.#random.pick(this.#doors);
    using _ = faults.beginOutage();
    for (const had of promised) if (findings.first === undefined) await door.ask('importer', had);
  }

  /** By a process of its own where there are several, else by the server. */
  async #work<Value>(
    name: string,
    killedAfter: number | undefined,
    job: Job<Value>,
  ): Promise<Value | undefined> {
    if (this.#world.plan.isShared) return await runCommand(this.#world, name, killedAfter, job);
    return await this.#doors[0]?.server?.work(job);
  }

  /** Where there is nothing that could be exported, or no room, that is said. */
  #failed(name: string, error: unknown): void {
    const { plan, spoilt, findings } = this.#world;
    if (error instanceof LoadError) return;
    if (!this.#isRemoved && plan.full === undefined && spoilt.size === 0)
      findings.add('everything ends', short(`${name} failed: ${String(error)}`));
  }

  get #isRemoved(): boolean {
    const { prunes, maxSize } = this.#world.plan;
    return prunes.length > 0 || maxSize > 0;
  }
}
