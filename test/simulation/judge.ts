import { RegistryError } from '#src/oci/error.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import {
  type Digest,
  hostOf,
  isDigest,
  type Reference,
  type RepositoryName,
  type Tag,
} from '#src/oci/reference.ts';
import type { RangeSpec } from '#src/oci/registry.ts';
import { BlobUnreadableError } from '#src/storage/content-store.ts';
import type { WantedBlob } from '#src/storage/records.ts';
import { blobObject, manifestObject } from './faults.ts';
import type { Invariant } from './findings.ts';
import type { Had } from './ledger.ts';
import type { ModelRepository } from './model.ts';
import { NewsCheck } from './news-check.ts';
import type { Random } from './random.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What a client asked for. Times in fake milliseconds. */
export interface Question {
  readonly who: string;
  readonly what: 'HEAD' | 'GET';
  readonly kind: 'manifest' | 'blob';
  readonly repository: RepositoryName;
  readonly reference: Reference;
  readonly range?: RangeSpec | undefined;
  readonly from: number;
  outcome: Outcome | undefined;
}

/** What a client had for so long is promised. Milliseconds. */
export const promiseMs = 1000;
/** containerd waits no longer for a status line. Milliseconds. */
export const patienceMs = 30_000;
/** As the policy has it, and while an answer is under way. Milliseconds. */
const negativeMs = 12_000;
/** An answer under way while a tag moved. Milliseconds. */
const movingMs = 5000;

/** Looks at each answer, whether it may be so. */
export class Judge {
  readonly random: Random;
  readonly #world: World;
  readonly #news: NewsCheck;
  readonly #server: string;

  /** `server`: whose answers they are, where there are several. */
  constructor(world: World, server: string) {
    this.#world = world;
    this.#server = server;
    this.random = world.random.fork('judge');
    this.#news = new NewsCheck(world);
  }

  /** The end of an exchange, however it ended. */
  answered(question: Question, status: number, isAudit: boolean, error?: unknown): void {
    const { ledger } = this.#world;
    const had = hadOf(question);
    if (question.kind === 'manifest' || question.what === 'HEAD' || status !== 200) this.heard(question);
    if (status === 200) {
      if (question.what === 'GET' && question.range === undefined) this.promise(had, question);
      this.#checkOwned(question);
      return;
    }
    const said = `${describe(question)}: ${status} ${short(String(error))}`;
    const known = ledger.known(had);
    if (known !== undefined && known.since + promiseMs <= question.from) {
      const ago = Math.round(question.from - known.since);
      const who = known.isImported === true ? 'an import brought' : 'a client had';
      ledger.forget(had);
      this.#add(
        isAudit
          ? 'complete survives a crash'
          : known.isImported === true
            ? 'what was imported is here'
            : 'complete is served',
        `${said}; ${who} it ${ago} ms before`,
      );
      return;
    }
    this.#checkHealthy(question, status, said);
  }

  failed(question: Question, error: unknown): void {
    if (error instanceof RegistryError) return;
    // What is found in the middle of a file is the machine's fault, and no answer of the registry.
    const isOfFile =
      error instanceof BlobUnreadableError && this.#world.spoilt.has(question.reference as Digest);
    if (isOfFile) return;
    this.#add('only registry errors', `${describe(question)}: ${short(String(error))}`);
  }

  manifest(question: Question, digest: Digest): void {
    if (isDigest(question.reference)) {
      if (digest !== question.reference) this.bytes(question, false);
    } else this.#checkTag(question, question.reference, digest);
    if (this.#world.plan.isShared) this.#news.check(question, digest);
  }

  /** What has become of its question is told as it goes on. */
  reported(question: Question): void {
    this.#news.reported(question);
  }

  /** What a HEAD says of a blob. */
  size(question: Question, size: number | undefined): void {
    const { model } = this.#world;
    const right = model.content.sizeOf(question.reference as Digest);
    const isClaimed = this.#repository(question)?.wronglySized.has(question.reference as Digest) === true;
    if (size !== undefined && size !== right && !isClaimed)
      this.#add('HEAD says what GET has', `${describe(question)}: ${size} bytes, which are ${right}`);
  }

  /** The first that a client hears of its answer. */
  heard(question: Question): void {
    const { health, plan, time } = this.#world;
    const { from, kind: what, repository } = question;
    if (time - from <= patienceMs) return;
    const host = hostOf(repository);
    const objects = this.#objects(question);
    // Of a small blob the first bytes come with the last.
    if (health.hasMet('drip', objects, from, time)) return;
    // Whose blob it is may take four answers there, each slow, and once more; what says "busy" to the client meanwhile stands before the registry.
    const isRedirected = plan.hosts.some((each) => each.host === host && each.redirectsFor !== undefined);
    if (isRedirected && health.hasMet('slow', objects, from, time)) return;
    if (health.excuse({ host, objects, what, by: this.#server, from, to: time }) !== undefined) return;
    this.#add('in time', `${describe(question)}: after ${((time - from) / 1000).toFixed(1)} s`);
  }

  bytes(question: Question, isRight: boolean): void {
    if (!isRight) this.#add('whole answers are right', `${describe(question)}: not what was asked for`);
  }

  /** The end of a body that ended well. A part of a blob that is not held back whole carries what upstream sent. */
  whole(
    question: Question,
    {
      isRight,
      isWhole,
      isPart,
      begin,
    }: { isRight: boolean; isWhole: boolean; isPart: boolean; begin: number },
  ): void {
    const said = describe(question);
    if (!isWhole) this.#add('whole answers are right', `${said}: ended short, from byte ${begin} on`);
    if (isRight) return;
    const lied = this.#world.health.hasMet('flip', this.#objects(question), 0, this.#world.time);
    if (!isPart || !lied) this.#add('whole answers are right', `${said}: wrong bytes to the end`);
  }

  /** What lacks blobs though upstream has been well. What it denied once may be asked for again much later. */
  lacking({ repository: name, digest }: WantedBlob): void {
    const { model, plan } = this.#world;
    const repository = model.repositories.get(name);
    const isDenied = plan.faults.some(({ host, status }) => host === repository?.host && status === 404);
    const isHopeless = repository?.isForbidden !== false || repository.wronglySized.size > 0;
    if (!isDenied && !isHopeless)
      this.#add('what was served becomes complete', `${name}@${short(digest)} is still wanted`);
  }

  /** From now on, but for what a disk without room has not kept. */
  promise(had: Omit<Had, 'since'>, question?: Question): void {
    const { plan, time } = this.#world;
    if (plan.full !== undefined && time + 2 * promiseMs > plan.full.from) return;
    // Whatever a limit lets pass through is kept for nobody.
    if (had.kind === 'blob' && this.#world.hasPassedThrough) return;
    // What is in memory is served, though its file is not what it was.
    if (had.kind === 'blob' && this.#world.isWrongOnDisk(had.reference as Digest)) return;
    const remembering = question?.outcome?.kind === 'miss' ? undefined : this.#server;
    this.#world.ledger.note({ ...had, since: time }, question && { at: question.from, remembering });
  }

  #checkOwned(question: Question): void {
    const { kind, reference } = question;
    const repository = this.#repository(question);
    const isOpen = repository?.isForbidden === false;
    if (!isOpen || (kind === 'blob' && !repository.blobs.has(reference as Digest)))
      this.#add('a digest alone opens nothing', `${describe(question)}: 200`);
  }

  #checkHealthy(question: Question, status: number, said: string): void {
    const { health, time } = this.#world;
    const repository = this.#repository(question);
    if (repository?.wronglySized.has(question.reference as Digest) === true) return;
    // An answer that was begun before anybody knew breaks off.
    if (this.#world.spoilt.has(question.reference as Digest)) return;
    const host = hostOf(question.repository);
    const { from, kind: what } = question;
    const objects = this.#objects(question);
    if (health.excuse({ host, objects, what, by: this.#server, from, to: time }) !== undefined) return;
    if (repository?.isForbidden === true && status === 403) return;
    const isThere =
      repository !== undefined && has(repository, question) && !wasDeleted(repository, question, time);
    if (isThere || status !== 404) this.#add('healthy upstream, right answer', said);
  }

  #checkTag(question: Question, tag: Tag, digest: Digest): void {
    const { plan, health, time } = this.#world;
    const repository = this.#repository(question);
    if (repository === undefined) return;
    const freshness = plan.promised ?? plan.freshness;
    const ageMs =
      freshness === 'immutable' ? Number.POSITIVE_INFINITY : freshness === 'always' ? 0 : freshness;
    const isStale = question.outcome?.kind === 'stale';
    const from = isStale ? Number.NEGATIVE_INFINITY : question.from - ageMs - movingMs;
    if (repository.pointed(tag, digest, from, time)) return;
    if (this.#world.imported.was(`${repository.name}:${tag}`, digest, from)) return;
    if (health.hasMet('contradiction', this.#objects(question), question.from, time)) return;
    if (isStale || this.#isAnnounced(question)) return;
    this.#add(
      'a tag is true',
      `${describe(question)}: ${short(digest)}, ${question.outcome?.kind ?? 'no outcome'}`,
    );
  }

  /** A HEAD costs upstream a HEAD and no more: what it says is passed on, and nothing is kept of it. */
  #isAnnounced(question: Question): boolean {
    const { what, outcome, from } = question;
    if (what !== 'HEAD' || outcome?.kind !== 'miss') return false;
    return this.#world.health.hasMet('falseDigest', this.#objects(question), from, this.#world.time);
  }

  #objects({ kind, repository, reference }: Question): string[] {
    return [kind === 'blob' ? blobObject(hostOf(repository), reference) : manifestObject(repository)];
  }

  #repository({ repository }: Question): ModelRepository | undefined {
    return this.#world.model.repositories.get(repository);
  }

  #add(invariant: Invariant, message: string): void {
    this.#world.findings.add(invariant, message);
  }
}

function has(repository: ModelRepository, { kind, reference }: Question): boolean {
  if (kind === 'blob') return repository.blobs.has(reference as Digest);
  return isDigest(reference)
    ? repository.manifests.has(reference)
    : repository.tagged(reference) !== undefined;
}

/** What upstream has denied is believed for a while. */
function wasDeleted(repository: ModelRepository, { kind, reference, from }: Question, time: number): boolean {
  if (kind === 'blob' || isDigest(reference)) return false;
  return repository.wasDeleted(reference, from - negativeMs, time);
}

function hadOf({ kind, repository, reference }: Question): Omit<Had, 'since'> {
  return { repository, reference, kind: kind === 'blob' ? 'blob' : isDigest(reference) ? 'manifest' : 'tag' };
}

/** In words. */
export function describe({ who, what, kind, repository, reference, from }: Question): string {
  return short(`${who} at ${(from / 1000).toFixed(3)} s: ${what} ${kind} ${repository} ${reference}`);
}
