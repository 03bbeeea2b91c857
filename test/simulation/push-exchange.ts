import type { Pushes, SentBytes } from '#src/oci/pushes.ts';
import type { Digest, RepositoryName } from '#src/oci/reference.ts';
import type { Door } from './door.ts';
import type { Answer } from './exchanges.ts';
import { type Asking, type End, lookBy } from './hosted-ledger.ts';
import type { Look } from './register.ts';
import { type Sending, sentBytes } from './sent-chunks.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Whoever stops ends what clients have begun within this time. Milliseconds. */
const stoppingMs = 10_000;

interface Request<Value> {
  /** In words. */
  readonly what: string;
  /** Hears how it ended. */
  readonly end?: End | undefined;
  readonly work: (pushes: Pushes, sent: (sending: Sending) => SentBytes) => Promise<Value>;
  /** May it be refused in this way? */
  readonly mayFail: (status: number, look: Look) => boolean;
}

/** What a client asks of a server to change: each refusal has a reason, and the ledger hears how it ended. */
export class PushExchange {
  readonly world: World;
  readonly #door: Door;

  constructor(world: World, door: Door) {
    this.world = world;
    this.#door = door;
  }

  async ask<Value>({ what, end, work, mayFail }: Request<Value>): Promise<Answer<Value>> {
    const from = this.world.time;
    let failure: unknown;
    const answer = await this.#door.exchanges.run(short(what), {
      work: async ({ server, signal }) => {
        const sent = (sending: Sending): SentBytes => sentBytes(sending, server.life, signal);
        return await server.push(async (pushes) => await work(pushes, sent));
      },
      failed: (error) => {
        failure = error;
      },
    });
    this.settle(end, answer);
    if (answer.kind !== 'failed') return answer;
    const { status } = answer;
    const look = lookBy(this.#door.name, from, this.world.time);
    const isForRoom = status > 500 && this.#mayLackRoom;
    if (!isForRoom && !mayFail(status, look)) this.refused(`${what}: ${status} ${String(failure)}`);
    return answer;
  }

  /** Whoever was not answered may find it done, also later by a server that is stopping. */
  settle(end: End | undefined, answer: Answer<unknown>): void {
    const { time } = this.world;
    if (answer.kind === 'ok') end?.('done', time);
    else if (answer.kind === 'failed' && answer.status < 500) end?.('refused', time);
    else end?.({ mayComeUntil: time + stoppingMs }, time);
  }

  /** Now, of this server. */
  get asking(): Asking {
    return { from: this.world.time, by: this.#door.name };
  }

  /** The repository is to have the blob. */
  comes(repository: RepositoryName, digest: Digest): End {
    return this.world.hosted.blob(repository, digest).begin(true, this.asking);
  }

  /** It was brought, by a request that began then: nothing may take it away for a while. */
  lease(repository: RepositoryName, digest: Digest, from: number): void {
    const expiryMs = this.world.hostedRules.ruleOf(repository)?.uploadExpiryMs ?? 0;
    this.world.hosted.lease(repository, digest, from + expiryMs - 1);
  }

  refused(said: string): void {
    this.world.findings.add('a push that nothing hinders is taken', short(said));
  }

  get #mayLackRoom(): boolean {
    const { full, maxSize } = this.world.plan;
    return full !== undefined || maxSize > 0;
  }
}
