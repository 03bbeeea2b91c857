import type { Log } from '#src/base/log.ts';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { anonymous } from '#src/credentials/credentials.ts';
import type { Pushes } from '#src/oci/pushes.ts';
import type { RegistryHost } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import type { WantedBlob } from '#src/storage/records.ts';
import { ByteCount } from './byte-count.ts';
import { type Composition, compose, openFiles } from './composition.ts';
import { checkRemoval, sayDeleted } from './deletions.ts';
import { password } from './fake-registry.ts';
import { FakeWire } from './fake-wire.ts';
import type { Blobs } from './hosting.ts';
import type { Job } from './job-parts.ts';
import { wrongSpools } from './left-spools.ts';
import { clockOf, Life } from './life.ts';
import { type OpenIndex, openIndex } from './open-index.ts';
import type { CrashPlan, Plan } from './plan.ts';
import { Removals } from './removals.ts';
import { RequestCount } from './request-count.ts';
import { ServerJobs } from './server-jobs.ts';
import { SimulatedFiles } from './simulated-files.ts';
import { short } from './trace.ts';
import { mirrorOf, type World } from './world.ts';

/** As the configuration has them by default. Milliseconds. */
const pullTimeoutMs = 60_000;
const stallTimeoutMs = 30_000;
/** So long a clean stop may take, with all that is still to be written. Milliseconds of fake time. */
const maxStopMs = 10_000;

/** Files that may be open for what is done behind clients’ backs, and for each answer that one waits for. */
const maxBehind = 600;
const filesOfClient = 4;
/** Of a registry, transfers that nobody waits for, and those that are about to end or to take another's place. */
const maxAbandoned = 2;
const maxPassing = 4;

/** The server under test, for one life of its process: the real composition over a simulated disk and wire. */
export class Server {
  readonly life: Life;
  readonly files: SimulatedFiles;
  readonly #world: World;
  readonly #name: string;
  readonly #wires: FakeWire[] = [];
  readonly #jobs: ServerJobs;
  readonly #pushing = new Set<Promise<unknown>>();
  #composition: Composition | undefined;
  #metadata: MetadataStore | undefined;
  #removals: Removals | undefined;
  readonly #stores = new AsyncDisposableStack();
  readonly #index = new AsyncDisposableStack();

  private constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.life = new Life(world.scheduler, name);
    this.#jobs = new ServerJobs(this.life);
    this.files = new SimulatedFiles({
      disk: world.disk,
      life: this.life,
      random: world.random.fork(`disk ${name}${world.time}`),
      pace: world.plan.disk,
      isFull: () => world.isFull,
      onOpen: (open) => this.#checkOpen(open),
      onRemove: (path, content) => checkRemoval(world, path, content),
    });
    world.files.add(this.files);
  }

  /** `name`: in front of what it does, where there are several. */
  static async start(world: World, name: string): Promise<Server> {
    const server = new Server(world, name);
    await server.#open();
    return server;
  }

  get registry(): Registry {
    if (this.#composition === undefined) throw new Error('the server has not started');
    return this.#composition.registry;
  }

  /** What clients change; whoever stops waits for it. */
  async push<Value>(work: (pushes: Pushes) => Promise<Value>): Promise<Value> {
    const pushes = this.#composition?.pushes;
    if (pushes === undefined) throw new Error('nothing lives here');
    const pushing = work(pushes);
    this.#pushing.add(pushing);
    try {
      return await pushing;
    } finally {
      this.#pushing.delete(pushing);
    }
  }

  /** Somebody removes the tag of an image. */
  async prune(image: number): Promise<void> {
    const { repository, tag } = this.#world.images[image] ?? {};
    if (repository !== undefined) await this.#removals?.prune(`${repository.name}:${tag}`);
  }

  /** Looks whether what the index says to be here is. */
  async checkWhole(): Promise<void> {
    await this.#removals?.checkWhole();
  }

  /** Does a job beside its clients. Undefined: it has ended before. */
  async work<Value>(job: Job<Value>): Promise<Value | undefined> {
    return await this.#jobs.run(job);
  }

  /** Blobs of cached manifests that their repositories lack. */
  async wanted(): Promise<readonly WantedBlob[]> {
    return (await this.#metadata?.listWantedBlobs({ limit: 1000 })) ?? [];
  }

  /** What it was doing ends here; of what was not synced a power cut takes what it likes. */
  async crash(kind: CrashPlan['kind']): Promise<void> {
    this.life.note(`crash: ${kind}`);
    if (kind === 'stop') await this.#stopAmid();
    this.#die();
    if (kind === 'power') this.#world.cutPower();
    await this.#closeIndex();
  }

  /** Whatever clients and fills are doing. */
  async #stopAmid(): Promise<void> {
    this.life.hangUp();
    await this.#dispose();
    this.#checkSpools();
  }

  /** Nobody wants to know any more. */
  async discard(): Promise<void> {
    this.#die();
    await this.#closeIndex();
  }

  /** Stops cleanly, and looks at what is left. */
  async stop(): Promise<void> {
    await this.#dispose();
    await this.#closeIndex();
    this.#checkLeft();
    this.#die();
  }

  #die(): void {
    this.life.crash();
    this.#world.files.delete(this.files);
  }

  async #dispose(): Promise<void> {
    const { findings, time } = this.#world;
    await Promise.allSettled(this.#pushing);
    await this.#jobs[Symbol.asyncDispose]();
    await this.#removals?.[Symbol.asyncDispose]();
    await this.#composition?.[Symbol.asyncDispose]();
    await this.#stores.disposeAsync();
    const took = this.#world.time - time;
    if (took > maxStopMs) findings.add('everything ends', `stopping took ${Math.round(took)} ms`);
  }

  async #closeIndex(): Promise<void> {
    await this.#world.scheduler.outside(async () => await this.#index.disposeAsync());
  }

  async #open(): Promise<void> {
    const { plan, random } = this.#world;
    const clock = clockOf(this.life);
    const planned = (name: RegistryHost) => plan.hosts.find(({ host }) => host === name);
    const index = await openIndex(this.#world, this.life, clock, this.#index);
    const { metadata } = index;
    const log = this.#log();
    this.#metadata = metadata;
    this.#removals = new Removals(this.#world, this.#name, index, clock, log);
    const blobs = await this.#openBlobs(index);
    this.#composition = compose({
      clock,
      log,
      room: this.#removals.room,
      random: random.fork(`jitter ${this.#name}${this.life.time}`).next,
      blobs,
      index,
      hosted: plan.pushers.length === 0 ? undefined : this.#world.hostedRules,
      policy: policyOf(plan),
      wireOf: (host) => this.#wireOf(host),
      mirrorOf: (host) => (planned(host)?.hasMirror === true ? mirrorOf(host) : undefined),
      credentialsOf: (host) =>
        planned(host)?.wants === 'password' ? { kind: 'basic', ...password } : anonymous,
      pullTimeoutMs,
      stallTimeoutMs,
      maxConcurrent: plan.maxConcurrent,
    });
    const { cache } = this.#composition;
    this.#removals.begin(cache);
    this.#jobs.begin({ ...index, content: blobs, spools: blobs, uploads: blobs.uploads, clock }, cache);
  }

  async #openBlobs(index: OpenIndex): Promise<Blobs> {
    if (this.#world.plan.store === 'memory') return this.#watched(new MemoryBlobStore());
    return this.#stores.use(
      await openFiles(this.files, clockOf(this.life), this.#world.owners.of(this.life), index),
    );
  }

  /** What is in memory is right. */
  #watched(store: MemoryBlobStore): MemoryBlobStore {
    const remove = store.delete.bind(store);
    store.delete = async (digest) => {
      const wasThere = await remove(digest);
      if (wasThere) sayDeleted(this.#world, digest);
      return wasThere;
    };
    return store;
  }

  #wireOf(host: RegistryHost): FakeWire {
    const { model, faults, health, random, plan, registries } = this.#world;
    const registry = registries.get(host);
    if (registry === undefined) throw new Error(`nobody is ${host}`);
    const requests = new RequestCount(this.#world);
    const wire = new FakeWire({
      life: this.life,
      by: this.#name,
      model,
      registry,
      faults,
      health,
      random: random.fork(`wire ${this.#name}${host} ${this.life.time}`),
      pace: plan.wire,
      headersTimeoutMs: pullTimeoutMs,
      stallTimeoutMs,
      bytes: new ByteCount(this.#world),
      onRequest: ({ bulk }) => {
        if (bulk === true) this.#checkTransfers();
      },
      onTransfer: (request, asked) => requests.begun(request, asked),
    });
    this.#wires.push(wire);
    return wire;
  }

  #log(): Log {
    const { findings, health, plan, model } = this.#world;
    const isWell = (): boolean =>
      plan.full === undefined &&
      plan.maxSize === 0 &&
      plan.spoils.every(({ kind }) => kind === 'touch') &&
      plan.crashes.every(({ kind }) => kind !== 'power') &&
      model.hosts.every((host) => health.wasAlwaysWell(host)) &&
      plan.images.every(({ isWrong }) => !isWrong);
    const line = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
      const error = fields['err'] instanceof Error ? `: ${fields['err'].message}` : '';
      this.life.note(
        short(`log ${level}: ${message} ${String(fields['digest'] ?? fields['tag'] ?? '')}${error}`),
      );
      if (level === 'error' && isWell()) findings.add('no error is logged', short(`${message}${error}`));
    };
    return { debug() {}, info: line('info'), warn: line('warn'), error: line('error') };
  }

  #checkOpen(open: number): void {
    const { waiting, findings } = this.#world;
    if (open > maxBehind + filesOfClient * waiting.size) {
      findings.add('bounded files', `${open} files are open while clients wait for ${waiting.size} answers`);
    }
  }

  /** What a client waits for may be asked for by two connections at a time, of which one is to take the other's place. */
  #checkTransfers(): void {
    const { waiting, findings, model } = this.#world;
    const { abandoned = 0 } = this.#composition ?? {};
    const most = model.hosts.length * maxAbandoned;
    if (abandoned > most) findings.add('bounded transfers', `${abandoned} run that nobody waits for`);
    const open = this.#wires.flatMap((wire) => [...wire.open].filter(({ isOfBlob }) => isOfBlob)).length;
    if (open > 2 * waiting.size + most + model.hosts.length * maxPassing)
      findings.add('bounded transfers', `${open} are open while clients wait for ${waiting.size} answers`);
  }

  #checkSpools(): void {
    const { findings, disk, model, plan, files } = this.#world;
    // What another process has there is its own.
    if (files.size > 1) return;
    for (const wrong of wrongSpools(disk, model, plan.faults)) findings.add('nothing is left', wrong);
  }

  #checkLeft(): void {
    const { findings } = this.#world;
    const left = (what: string): void => findings.add('nothing is left', what);
    for (const file of this.files.opened) left(`open: ${file.path}`);
    for (const wire of this.#wires) for (const body of wire.open) left(`unread answer: ${body.label}`);
    this.#checkSpools();
    if (this.life.waiting > 0) left(`${this.life.waiting} timers or file calls`);
  }
}

function policyOf({ freshness, complete }: Plan): CachePolicy {
  return {
    freshness: freshnessPolicy([], freshness),
    staleIfError: true,
    staleDeadline: 2000,
    onGone: 'serve',
    negativeTtl: 10_000,
    complete,
    maxAbandoned,
    offline: false,
  };
}
