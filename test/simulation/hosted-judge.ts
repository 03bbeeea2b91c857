import { RegistryError } from '#src/oci/error.ts';
import { type Digest, isDigest, type RepositoryName, type Tag } from '#src/oci/reference.ts';
import { BlobUnreadableError } from '#src/storage/content-store.ts';
import type { Invariant } from './findings.ts';
import { lookBy } from './hosted-ledger.ts';
import { describe, type Judge, patienceMs, type Question } from './judge.ts';
import type { Look } from './register.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What judges answers to questions for what is cached, and for what lives here. */
export type ReadJudge = Pick<
  Judge,
  'manifest' | 'reported' | 'size' | 'heard' | 'bytes' | 'whole' | 'answered' | 'failed'
>;

/** Whoever has asked with HEAD whether a blob is here finds it at least so long. Milliseconds. */
const lookedMs = 1_800_000;

/** Looks at each answer about what lives here, whether it may be so: it is what was pushed, and nobody else has a say. */
export class HostedJudge implements ReadJudge {
  readonly #world: World;
  readonly #server: string;

  /** `server`: whose answers they are, where there are several. */
  constructor(world: World, server: string) {
    this.#world = world;
    this.#server = server;
  }

  answered(question: Question, status: number, _isAudit: boolean, error?: unknown): void {
    this.heard(question);
    const said = `${describe(question)}: ${status} ${short(String(error ?? ''))}`;
    if (question.kind === 'blob' && this.#world.spoilt.has(question.reference as Digest)) return;
    if (status === 200) this.#checkGiven(question, said);
    else if (status === 404) this.#checkMissing(question, said);
    else if (this.#world.plan.full === undefined) this.#add('what was pushed is here', said);
  }

  failed(question: Question, error: unknown): void {
    const isOfFile =
      error instanceof BlobUnreadableError && this.#world.spoilt.has(question.reference as Digest);
    if (error instanceof RegistryError || isOfFile) return;
    this.#add('only registry errors', `${describe(question)}: ${short(String(error))}`);
  }

  manifest(question: Question, digest: Digest): void {
    const { repository, reference } = question;
    const { hosted } = this.#world;
    const said = `${describe(question)}: ${short(digest)}`;
    if (!isDigest(reference) && !hosted.tag(repository, reference).mayBe(digest, this.#look(question)))
      this.#add('a pushed tag is its last push', said);
    if (isDigest(reference) && digest !== reference) this.bytes(question, false);
    if (!hosted.mayBeThere(repository, digest, this.#look(question)))
      this.#add('nothing else lives here', said);
  }

  reported(): void {}

  size(question: Question, size: number | undefined): void {
    const right = this.#world.model.content.sizeOf(question.reference as Digest);
    if (size !== right)
      this.#add('HEAD says what GET has', `${describe(question)}: ${size} bytes, which are ${right}`);
  }

  heard(question: Question): void {
    const took = this.#world.time - question.from;
    if (took > patienceMs) this.#add('in time', `${describe(question)}: after ${(took / 1000).toFixed(1)} s`);
  }

  bytes(question: Question, isRight: boolean): void {
    if (!isRight) this.#add('whole answers are right', `${describe(question)}: not what was asked for`);
  }

  whole(question: Question, { isRight, isWhole, begin }: Parameters<Judge['whole']>[1]): void {
    const said = describe(question);
    if (!isWhole) this.#add('whole answers are right', `${said}: ended short, from byte ${begin} on`);
    if (!isRight) this.#add('whole answers are right', `${said}: wrong bytes to the end`);
  }

  /** What a list says: nothing that is not there, and all that is certain to be. */
  listed<Item>(
    said: string,
    listed: readonly Item[],
    { mayBe, must }: { readonly mayBe: (item: Item) => boolean; readonly must: readonly Item[] },
  ): void {
    for (const item of listed)
      if (!mayBe(item)) this.#add('nothing else lives here', short(`${said}: ${String(item)} is listed`));
    for (const item of must)
      if (!listed.includes(item))
        this.#add('what was pushed is here', short(`${said}: ${String(item)} is not listed`));
  }

  #checkGiven({ what, kind, repository, reference, ...question }: Question, said: string): void {
    if (kind === 'manifest') return;
    const digest = reference as Digest;
    const { hosted, time } = this.#world;
    if (!hosted.blob(repository, digest).mayBe(true, this.#look(question)))
      this.#add('nothing else lives here', said);
    if (what === 'HEAD') hosted.lease(repository, digest, time + lookedMs, 'looked');
  }

  #checkMissing(question: Question, said: string): void {
    if (this.#must(question.repository, question)) this.#add('what was pushed is here', said);
  }

  #must(repository: RepositoryName, { kind, reference, from }: Question): boolean {
    const { hosted } = this.#world;
    const look = this.#look({ from });
    if (kind === 'blob') return hosted.mustHave(repository, reference as Digest, look);
    if (!isDigest(reference)) return hosted.mustLead(repository, reference as Tag, look);
    return !hosted.manifest(repository, reference).mayBe(undefined, look);
  }

  #look({ from }: Pick<Question, 'from'>): Look {
    return lookBy(this.#server, from, this.#world.time);
  }

  #add(invariant: Invariant, message: string): void {
    this.#world.findings.add(invariant, message);
  }
}
