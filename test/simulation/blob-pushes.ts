import { type Digest, isHosted, type RepositoryName } from '#src/oci/reference.ts';
import type { Answer } from './exchanges.ts';
import { lookAtIndex } from './hosted-ledger.ts';
import type { PushExchange } from './push-exchange.ts';
import type { Look } from './register.ts';
import type { Sending } from './sent-chunks.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Blobs that a client sends in one request, mounts, or deletes: each answer is compared with what may be. */
export class BlobPushes {
  readonly #exchange: PushExchange;
  readonly #world: World;

  constructor(exchange: PushExchange) {
    this.#exchange = exchange;
    this.#world = exchange.world;
  }

  async putBlob(
    who: string,
    repository: RepositoryName,
    digest: Digest,
    sending: Sending,
  ): Promise<Answer<unknown>> {
    const from = this.#world.time;
    const answer = await this.#exchange.ask({
      what: `${who} POST blob ${repository} ${digest}`,
      end: this.#exchange.comes(repository, digest),
      work: async (pushes, sent) => await pushes.putBlob(repository, digest, sent(sending)),
      mayFail: (status) => status === 400 && !this.#isOf(digest, sending.bytes),
    });
    if (answer.kind === 'ok') this.#exchange.lease(repository, digest, from);
    if (answer.kind === 'ok' && !this.#isOf(digest, sending.bytes))
      this.#world.findings.add('whole answers are right', short(`${digest} was taken, and is not what came`));
    return answer;
  }

  /** Undefined: the other has it not. */
  async mount(
    who: string,
    repository: RepositoryName,
    digest: Digest,
    source: RepositoryName,
  ): Promise<Answer<boolean>> {
    const from = this.#world.time;
    const end = this.#exchange.comes(repository, digest);
    const answer = await this.#exchange.ask({
      what: `${who} MOUNT ${repository} ${digest} from ${source}`,
      work: async (pushes) => (await pushes.mount(repository, digest, source)) !== undefined,
      mayFail: () => false,
    });
    this.#exchange.settle(
      end,
      answer.kind === 'ok' && !answer.value ? { kind: 'failed', status: 404 } : answer,
    );
    if (answer.kind !== 'ok') return answer;
    const look = lookAtIndex(from, this.#world.time);
    if (answer.value) this.#exchange.lease(repository, digest, from);
    else if (isHosted(source) && this.#mustHave(source, digest, look))
      this.#exchange.refused(`${who}: ${digest} is not mounted from ${source}`);
    if (answer.value && isHosted(source) && !this.#world.hosted.blob(source, digest).mayBe(true, look))
      this.#world.findings.add('nothing else lives here', short(`${digest} was mounted from ${source}`));
    return answer;
  }

  async deleteBlob(who: string, repository: RepositoryName, digest: Digest): Promise<Answer<unknown>> {
    const { hosted, findings } = this.#world;
    const from = this.#world.time;
    const answer = await this.#exchange.ask({
      what: `${who} DELETE blob ${repository} ${digest}`,
      end: hosted.blob(repository, digest).begin(undefined, this.#exchange.asking),
      work: async (pushes) => await pushes.deleteBlob(repository, digest),
      mayFail: (status, look) =>
        (status === 404 && !hosted.mustHave(repository, digest, look)) ||
        (status === 405 && hosted.mayBeNamed(repository, digest, look)),
    });
    if (answer.kind === 'ok' && hosted.isNamed(repository, digest, lookAtIndex(from, this.#world.time)))
      findings.add(
        'what is needed is not taken away',
        short(`${who} ${repository} ${digest}, which a manifest names`),
      );
    return answer;
  }

  #mustHave(repository: RepositoryName, digest: Digest, look: Look): boolean {
    const { hosted, spoilt } = this.#world;
    return hosted.mustHave(repository, digest, look) && !spoilt.has(digest);
  }

  #isOf(digest: Digest, bytes: Uint8Array): boolean {
    return Buffer.compare(this.#world.model.content.of(digest), bytes) === 0;
  }
}
