import type { UploadState } from '#src/oci/pushes.ts';
import type { Digest, RepositoryName } from '#src/oci/reference.ts';
import type { Answer } from './exchanges.ts';
import type { PushExchange } from './push-exchange.ts';
import type { Sending } from './sent-chunks.ts';

/** By its status. */
export type MayFail = (status: number) => boolean;

/** Blobs that a client sends over several requests. What may be refused the client knows. */
export class UploadPushes {
  readonly #exchange: PushExchange;

  constructor(exchange: PushExchange) {
    this.#exchange = exchange;
  }

  async beginUpload(who: string, repository: RepositoryName): Promise<Answer<UploadState>> {
    return await this.#exchange.ask({
      what: `${who} POST upload ${repository}`,
      work: async (pushes) => await pushes.beginUpload(repository),
      mayFail: () => false,
    });
  }

  /** `mayFail`: for a reason that the client knows. */
  async uploadState(
    who: string,
    repository: RepositoryName,
    id: string,
    mayFail: MayFail,
  ): Promise<Answer<UploadState>> {
    return await this.#exchange.ask({
      what: `${who} GET upload ${repository} ${id}`,
      work: async (pushes) => await pushes.uploadState(repository, id),
      mayFail,
    });
  }

  async append(
    who: string,
    repository: RepositoryName,
    id: string,
    sending: Sending,
    mayFail: MayFail,
  ): Promise<Answer<UploadState>> {
    return await this.#exchange.ask({
      what: `${who} PATCH upload ${repository} ${id}`,
      work: async (pushes, sent) => await pushes.append(repository, id, sent(sending)),
      mayFail,
    });
  }

  async commit(
    who: string,
    repository: RepositoryName,
    id: string,
    { digest, last }: { readonly digest: Digest; readonly last: Sending | undefined },
    mayFail: MayFail,
  ): Promise<Answer<unknown>> {
    const from = this.#exchange.world.time;
    const answer = await this.#exchange.ask({
      what: `${who} PUT upload ${repository} ${id} ${digest}`,
      end: this.#exchange.comes(repository, digest),
      work: async (pushes, sent) =>
        await pushes.commit(repository, id, digest, last === undefined ? undefined : sent(last)),
      mayFail,
    });
    if (answer.kind === 'ok') this.#exchange.lease(repository, digest, from);
    return answer;
  }

  async cancel(
    who: string,
    repository: RepositoryName,
    id: string,
    mayFail: MayFail,
  ): Promise<Answer<unknown>> {
    return await this.#exchange.ask({
      what: `${who} DELETE upload ${repository} ${id}`,
      work: async (pushes) => await pushes.cancel(repository, id),
      mayFail,
    });
  }
}
