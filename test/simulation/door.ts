import { sha256 } from '#src/oci/digest.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import { resolveRange } from '#src/oci/range.ts';
import { type Digest, isHosted, type Reference, type RepositoryName } from '#src/oci/reference.ts';
import type { BlobReader, CallOptions, Manifest, RangeSpec } from '#src/oci/registry.ts';
import type { WantedBlob } from '#src/storage/records.ts';
import { type Answer, Exchanges, LeftError } from './exchanges.ts';
import { HostedJudge, type ReadJudge } from './hosted-judge.ts';
import { Judge, type Question } from './judge.ts';
import type { Had } from './ledger.ts';
import type { Server } from './server.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What has no more bytes is verified before any of them leaves. */
const heldBack = 64 * 1024;

export interface ReadBlobOptions {
  readonly range?: RangeSpec | undefined;
  /** For each chunk; 0 is at once. */
  readonly chunkMs: number;
  /** Leaves after so many chunks. */
  readonly leavesAfter?: number | undefined;
}

/**
 * What stands between a client and the registry, without HTTP: errors become statuses as the handlers do it, a body is taken chunk
 * by chunk. Each answer is judged.
 */
export class Door {
  readonly #world: World;
  readonly #judge: Judge;
  readonly hostedJudge: HostedJudge;
  readonly exchanges: Exchanges;
  /** Upstream is down on purpose, to see what a crash has left. */
  isAudit = false;

  /** `name`: in front of what its server does, where there are several. */
  constructor(world: World, name = '') {
    this.#world = world;
    this.exchanges = new Exchanges(world, name);
    this.#judge = new Judge(world, name);
    this.hostedJudge = new HostedJudge(world, name);
  }

  get name(): string {
    return this.exchanges.name;
  }

  get server(): Server | undefined {
    return this.exchanges.server;
  }

  set server(server: Server | undefined) {
    this.exchanges.server = server;
  }

  /** Somebody was told that it is here. */
  promise(had: Omit<Had, 'since'>): void {
    this.#judge.promise(had);
  }

  /** Asks for what is promised. */
  async ask(who: string, { repository, kind, reference }: Omit<Had, 'since'>): Promise<void> {
    if (kind === 'blob') await this.getBlob(who, repository, reference as Digest, { chunkMs: 0 });
    else await this.getManifest(who, repository, reference);
  }

  /** A cached manifest lacks blobs when it should not. */
  foundLacking(blob: WantedBlob): void {
    this.#judge.lacking(blob);
  }

  async headManifest(who: string, repository: RepositoryName, reference: Reference): Promise<Answer<Digest>> {
    return await this.#ask(
      { who, what: 'HEAD', kind: 'manifest', repository, reference },
      async (question, options, server) => {
        const { digest } = await server.registry.resolveManifest(repository, reference, options);
        this.#judgeOf(question).manifest(question, digest);
        return digest;
      },
    );
  }

  async getManifest(
    who: string,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<Answer<Manifest>> {
    return await this.#ask(
      { who, what: 'GET', kind: 'manifest', repository, reference },
      async (question, options, server) => {
        const manifest = await server.registry.getManifest(repository, reference, options);
        this.#judgeOf(question).manifest(question, manifest.descriptor.digest);
        this.#judgeOf(question).bytes(question, sha256(manifest.bytes) === manifest.descriptor.digest);
        return manifest;
      },
    );
  }

  async headBlob(
    who: string,
    repository: RepositoryName,
    digest: Digest,
  ): Promise<Answer<number | undefined>> {
    return await this.#ask(
      { who, what: 'HEAD', kind: 'blob', repository, reference: digest },
      async (question, options, server) => {
        const { size } = await server.registry.resolveBlob(repository, digest, options);
        this.#judgeOf(question).size(question, size);
        return size;
      },
    );
  }

  async getBlob(
    who: string,
    repository: RepositoryName,
    digest: Digest,
    reading: ReadBlobOptions,
  ): Promise<Answer<number>> {
    const { range } = reading;
    const asked = { who, what: 'GET' as const, kind: 'blob' as const, repository, reference: digest, range };
    return await this.#ask(asked, async (question, options, server, leave) => {
      await using reader = await server.registry.getBlob(repository, digest, { ...options, range });
      return await this.#read(question, reader, reading, server, leave);
    });
  }

  /** As a handler writes a body: a chunk must be right until the next one is asked for. */
  async #read(
    question: Question,
    reader: BlobReader,
    { chunkMs, leavesAfter, range: asked }: ReadBlobOptions,
    server: Server,
    leave: (reason: unknown) => void,
  ): Promise<number> {
    const judge = this.#judgeOf(question);
    const right = this.#world.model.content.of(reader.digest);
    const { first, last } =
      asked === undefined ? { first: 0, last: right.length - 1 } : resolveRange(asked, right.length);
    const begin = reader.range?.first ?? 0;
    if (asked !== undefined && reader.range !== undefined && (begin !== first || reader.range.last !== last))
      judge.bytes(question, false);
    let at = begin;
    let isRight = true;
    let chunks = 0;
    for await (const chunk of reader.body) {
      if (chunks === 0) judge.heard(question);
      if (chunks === leavesAfter) {
        leave(new LeftError());
        throw new LeftError();
      }
      if (chunkMs > 0) await server.life.pause(this.#judge.random.about(chunkMs), undefined);
      isRight &&= Buffer.compare(chunk, right.subarray(at, at + chunk.length)) === 0;
      at += chunk.length;
      chunks += 1;
    }
    const end = reader.range === undefined ? right.length : last + 1;
    const isPart = (begin > 0 || end < right.length) && right.length > heldBack;
    judge.whole(question, { isRight, isWhole: at === end, isPart, begin });
    return at - begin;
  }

  async #ask<Value>(
    asked: Omit<Question, 'from' | 'outcome'>,
    work: (
      question: Question,
      options: CallOptions,
      server: Server,
      leave: (reason: unknown) => void,
    ) => Promise<Value>,
  ): Promise<Answer<Value>> {
    const judge = this.#judgeOf(asked);
    const question: Question = { ...asked, from: this.#world.time, outcome: undefined };
    const report = (outcome: Outcome): void => {
      question.outcome = outcome;
      judge.reported(question);
    };
    const name = `${asked.who} ${asked.what} ${short(`${asked.repository} ${asked.reference}`)}${rangeText(asked.range)}`;
    return await this.exchanges.run(name, {
      work: async ({ server, signal, leave }) => await work(question, { signal, report }, server, leave),
      answered: () => judge.answered(question, 200, this.isAudit),
      failed: (error, status) => {
        judge.failed(question, error);
        judge.answered(question, status, this.isAudit, error);
      },
      said: () => question.outcome?.kind ?? '',
    });
  }

  #judgeOf({ repository }: Pick<Question, 'repository'>): ReadJudge {
    return isHosted(repository) ? this.hostedJudge : this.#judge;
  }
}

function rangeText(range: RangeSpec | undefined): string {
  if (range === undefined) return '';
  return 'suffix' in range ? ` -${range.suffix}` : ` ${range.first}-${range.last ?? ''}`;
}
