import { basename } from 'node:path';
import { HostedRules } from '#src/hosted/hosted-rules.ts';
import { type Digest, parseRegistryHost, type RegistryHost, type Tag } from '#src/oci/reference.ts';
import { Disk } from './disk.ts';
import { FakeRegistry } from './fake-registry.ts';
import { blobObject, type Fault, Faults, manifestObject } from './faults.ts';
import { Findings } from './findings.ts';
import { GoneTags } from './gone-check.ts';
import { Health } from './health.ts';
import { HostedLedger } from './hosted-ledger.ts';
import { ImportedNames } from './imported-names.ts';
import { IndexDirectory } from './index-directory.ts';
import { IndexHistory } from './index-history.ts';
import { IndexLog } from './index-log.ts';
import { Leases } from './leases.ts';
import { Ledger } from './ledger.ts';
import { epoch, type Life } from './life.ts';
import type { MemoryBundle } from './memory-bundle.ts';
import { Model, type ModelRepository } from './model.ts';
import type { FaultPlan, ImagePlan, Plan, SpoilPlan } from './plan.ts';
import { hostedSettings } from './plan-of-pushes.ts';
import { type PushableImage, pushableImages } from './pushable-images.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import type { SimulatedFiles } from './simulated-files.ts';
import { SimulatedOwners } from './simulated-owners.ts';
import { short, type Trace } from './trace.ts';

/** An image as clients find it. */
export interface WorldImage {
  readonly repository: ModelRepository;
  readonly tag: Tag;
}

export function mirrorOf(host: RegistryHost): RegistryHost {
  return parseRegistryHost(`mirror.${host}`);
}

/** As the store has it. */
const blobsDirectory = '/cache/blobs/sha256';

/** All of a scenario but the server: upstream, the disk, time, and what is known of right and wrong. */
export class World {
  readonly plan: Plan;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly model = new Model();
  readonly disk = new Disk();
  readonly owners = new SimulatedOwners();
  readonly indexLog = new IndexLog();
  readonly indexDirectory = new IndexDirectory(this.indexLog);
  readonly indexHistory = new IndexHistory();
  readonly leases = new Leases();
  readonly goneTags = new GoneTags();
  readonly ledger = new Ledger(() => this.time);
  readonly health = new Health();
  readonly faults: Faults;
  readonly findings: Findings;
  readonly images: readonly WorldImage[];
  readonly registries: ReadonlyMap<RegistryHost, FakeRegistry>;
  /** What clients wait for, in words, by when they began. */
  readonly waiting = new Map<string, number>();
  /** Whose file was spoilt, ever. */
  readonly spoilt = new Set<Digest>();
  /** Was there ever a blob for which a limit had no room? */
  hasPassedThrough = false;
  /** The file system as each process sees it that runs. */
  readonly files = new Set<SimulatedFiles>();
  /** Commands that run beside the servers. */
  readonly commands = new Set<Life>();
  /** What was exported so far, the oldest first. */
  readonly bundles: MemoryBundle[] = [];
  readonly imported = new ImportedNames(() => this.time);
  /** What lives here, as its clients know it, and what they push. */
  readonly hosted = new HostedLedger();
  readonly hostedRules: HostedRules;
  readonly pushable: readonly PushableImage[];
  /** How often the power was cut. */
  powerCuts = 0;
  readonly #layers: readonly Digest[];

  constructor(plan: Plan, trace: Trace, passedOver: readonly string[]) {
    this.plan = plan;
    this.random = new Random(plan.seed);
    this.scheduler = new Scheduler(this.random.fork('scheduler'), trace);
    this.findings = new Findings(passedOver, () => this.scheduler.time);
    const layers = plan.layerSizes.map((size) => this.model.newBlob(size));
    this.#layers = layers;
    this.images = plan.images.map((image) => this.#image(image));
    this.hostedRules = new HostedRules(hostedSettings(plan));
    this.pushable =
      plan.pushers.length === 0 ? [] : pushableImages(this.model, layers, this.random.fork('pushable'));
    this.registries = new Map(plan.hosts.flatMap((host) => this.#registriesOf(host)));
    this.faults = new Faults(
      plan.faults.map((fault) => this.#fault(fault)),
      this.random.fork('faults'),
    );
    this.#watchIndex();
  }

  get time(): number {
    return this.scheduler.time;
  }

  /** Has the disk no room now? */
  get isFull(): boolean {
    const { full } = this.plan;
    return full !== undefined && full.from <= this.time && this.time < full.until;
  }

  /** What was not synced is gone. */
  cutPower(): void {
    this.powerCuts += 1;
    this.disk.cutPower(this.random.fork(`power ${this.time}`));
    this.indexLog.cutPower();
    this.hosted.cutPower();
  }

  /** The tag of an image is deleted upstream. */
  deleteTag(place: number): void {
    const image = this.images[place];
    if (image === undefined) return;
    image.repository.unpoint(image.tag, this.time);
    this.scheduler.note(`upstream deletes ${image.repository.name}:${image.tag}`);
  }

  /** The tag of an image points at another from now on. */
  move(place: number): void {
    const image = this.images[place];
    if (image === undefined) return;
    const next = this.model.putImage(image.repository, [this.model.newBlob(5000)]);
    this.model.tag(image.repository, image.tag, next, this.time);
    this.scheduler.note(
      `upstream moves ${image.repository.name}:${image.tag} to ${next.digest.slice(7, 13)}`,
    );
  }

  /** Something happens to the file of a blob: nobody has promised anything of it from then on, but that its bytes are right where they are given. */
  spoil({ kind, file, byte, isSilent }: SpoilPlan): void {
    const blobs = new Set([...this.model.repositories.values()].flatMap((each) => [...each.blobs]));
    const paths = this.disk.list(blobsDirectory).filter((path) => blobs.has(digestOf(path)));
    const path = paths[Math.floor(file * paths.length)];
    const content = path === undefined ? undefined : this.disk.get(path);
    if (path === undefined || content === undefined || content.size === 0) return;
    // What a process has open it does not look at again meanwhile.
    if (this.files.values().some((files) => files.hasOpen(content))) return;
    content.spoil(kind, Math.floor(byte * content.size), isSilent);
    this.scheduler.note(`the file of ${digestOf(path).slice(7, 13)}: ${kind}`);
    if (kind === 'touch') return;
    this.spoilt.add(digestOf(path));
    this.ledger.forgetDigest(digestOf(path));
  }

  /** Has the file of a blob other bytes now than it should? Then what is served of it comes from elsewhere, and may be lost. */
  isWrongOnDisk(digest: Digest): boolean {
    if (!this.spoilt.has(digest)) return false;
    const content = this.disk.get(`${blobsDirectory}/${digest.slice('sha256:'.length)}`);
    return content !== undefined && !content.read(0, content.size).equals(this.model.content.of(digest));
  }

  #watchIndex(): void {
    const { indexLog, indexHistory, leases, goneTags, findings, plan } = this;
    indexLog.onDone = (operations, store) => {
      leases.note(operations, this.time);
      goneTags.note(operations, this.time);
      // A store that is closed by now says nothing.
      if (plan.isShared) indexHistory.note(operations, store, this.time).catch(() => undefined);
    };
    indexLog.onDiscarded = (digests, askedAt) => {
      for (const digest of digests)
        if (leases.has(digest, askedAt, epoch + this.time))
          findings.add('what is leased stays', short(`${digest} was discarded`));
    };
  }

  /** The registry of a host, and its mirror. */
  #registriesOf({
    host: name,
    hasMirror,
    ...manners
  }: Plan['hosts'][number]): [RegistryHost, FakeRegistry][] {
    const host = parseRegistryHost(name);
    const itself = new FakeRegistry(this.model, { ...manners, host, serves: host });
    const at = mirrorOf(host);
    const mirror = new FakeRegistry(this.model, {
      host: at,
      serves: host,
      wants: 'nothing',
      redirectsFor: undefined,
    });
    return hasMirror
      ? [
          [host, itself],
          [at, mirror],
        ]
      : [[host, itself]];
  }

  #image({ host, path, tag, layers, isWrong, isIndexed, isForbidden }: ImagePlan): WorldImage {
    const repository = this.model.repository(host, path);
    repository.isForbidden = isForbidden;
    const digests = layers.flatMap((place) => this.#layers[place] ?? []);
    const manifest = this.model.putImage(repository, digests, isWrong);
    const pointed = isIndexed
      ? this.model.putIndex(repository, [manifest, this.model.putImage(repository, digests.slice(0, 1))])
      : manifest;
    return { repository, tag: this.model.tag(repository, tag, pointed) };
  }

  #fault({ on, host: name, atMirror, ...fault }: FaultPlan): Fault {
    const host = parseRegistryHost(name);
    return { ...fault, host: atMirror ? mirrorOf(host) : host, object: this.#objectOf(on, host) };
  }

  #objectOf(on: FaultPlan['on'], host: RegistryHost): string | undefined {
    if (on === 'all') return undefined;
    if ('layer' in on) return blobObject(host, this.#layers[on.layer] ?? '');
    const image = this.images[on.image];
    return image === undefined ? undefined : manifestObject(image.repository.name);
  }
}

function digestOf(path: string): Digest {
  return `sha256:${basename(path)}` as Digest;
}
