import type { Digest, RepositoryName } from '#src/oci/reference.ts';
import type { Answer } from './exchanges.ts';
import type { Random } from './random.ts';
import type { Sending } from './sent-chunks.ts';
import { short } from './trace.ts';
import type { UploadPushes } from './upload-pushes.ts';
import type { World } from './world.ts';

const maxTries = 4;
/** So often a piece is sent by two requests. */
const twice = 0.1;
/** Milliseconds. */
const laterMs = 60;
/** Whoever has written to it before has let go of it by then. Milliseconds. */
const retryMs = 250;
/** What is written to has a time of full milliseconds, and a sweep may just have looked. Milliseconds. */
const slackMs = 5;

interface UploadClientParts {
  readonly world: World;
  /** Through whichever server. */
  readonly uploads: () => UploadPushes;
  readonly random: Random;
  readonly who: string;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly chunkMs: number;
  readonly breaks: number;
  readonly pause: (milliseconds: number) => Promise<void>;
}

/** One upload of a blob over several requests, gone on with where a connection broke. */
export class UploadClient {
  readonly #parts: UploadClientParts;
  readonly #bytes: Uint8Array;
  #id = '';
  /** Of the bytes: that many were acknowledged, and no more were sent. */
  #acked = 0;
  #sent = 0;
  #usedAt = 0;
  #powerCuts = 0;
  #mayBeHeld = false;
  /** It may be over, for all that is known. */
  #mayBeOver = false;

  constructor(parts: UploadClientParts) {
    this.#parts = parts;
    this.#bytes = parts.world.model.content.of(parts.digest);
  }

  /** False: it was given up. */
  async send(pieces: number): Promise<boolean> {
    if (!(await this.#begin())) return false;
    const step = Math.ceil(this.#bytes.length / pieces);
    for (let tries = 0; this.#acked < this.#bytes.length && tries < pieces + maxTries; tries += 1) {
      const answer = this.#parts.random.chance(twice)
        ? await this.#appendTwice(step)
        : await this.#append(step);
      if (answer.kind === 'lost') await this.#parts.pause(retryMs);
      if (answer.kind !== 'ok' && !(await this.#goOn())) return false;
    }
    return this.#acked === this.#bytes.length && (await this.#commit(undefined));
  }

  /** Begins, and sends all of it with the end. `digest`: it says that it is this. */
  async sendAtOnce(digest = this.#parts.digest): Promise<boolean> {
    if (!(await this.#begin())) return false;
    return await this.#commit(this.#sending(0, this.#bytes.length), digest);
  }

  /** Leaves it as it is, or cancels it. */
  async giveUp(): Promise<void> {
    if (!(await this.#begin())) return;
    await this.#append(Math.ceil(this.#bytes.length / 2));
    if (this.#parts.random.chance(0.5)) return;
    const { who, repository } = this.#parts;
    const answer = await this.#uploads.cancel(who, repository, this.#id, this.#mayFail);
    if (answer.kind === 'ok') this.#mayBeOver = true;
    if (answer.kind === 'ok') await this.#checkOver();
  }

  async #checkOver(): Promise<void> {
    const { who, repository, world } = this.#parts;
    const answer = await this.#uploads.uploadState(who, repository, this.#id, () => true);
    if (answer.kind === 'ok')
      world.findings.add(
        'nothing else lives here',
        `${who}: the upload ${this.#id} was cancelled and is there`,
      );
  }

  async #begin(): Promise<boolean> {
    const { world, who, repository } = this.#parts;
    this.#usedAt = world.time;
    this.#powerCuts = world.powerCuts;
    const answer = await this.#uploads.beginUpload(who, repository);
    if (answer.kind === 'ok') this.#id = answer.value.id;
    return answer.kind === 'ok';
  }

  async #append(step: number): Promise<Answer<unknown>> {
    const { world, who, repository, random, breaks } = this.#parts;
    const end = Math.min(this.#bytes.length, this.#acked + step);
    const breaksAt = random.chance(breaks) ? random.between(0, step) : undefined;
    const sending = { ...this.#sending(this.#acked, end), breaksAt };
    const from = world.time;
    this.#sent = Math.max(this.#sent, end);
    const answer = await this.#uploads.append(who, repository, this.#id, sending, this.#mayFail);
    if (answer.kind === 'ok') {
      this.#noteSize(answer.value.size);
      this.#usedAt = from;
    } else this.#mayBeHeld = true;
    this.#noteRefusal(answer);
    return answer;
  }

  /** Two requests say the same, one a little later: one of them is taken at most. */
  async #appendTwice(step: number): Promise<Answer<unknown>> {
    const { world, who, repository, random, pause } = this.#parts;
    const [begin, from] = [this.#acked, world.time];
    const end = Math.min(this.#bytes.length, begin + step);
    const sending = { ...this.#sending(begin, end), at: begin };
    this.#sent = Math.max(this.#sent, end);
    this.#mayBeHeld = true;
    const missed: number[] = [];
    // The other may just have been refused for room, and be about to hear of it.
    const mayFail = (status: number): boolean => {
      if (this.#mayFail(status)) return true;
      if (status !== 404) return false;
      missed.push(status);
      return true;
    };
    const send = async () => {
      const answer = await this.#uploads.append(who, repository, this.#id, sending, mayFail);
      this.#noteRefusal(answer);
      return answer;
    };
    const sendLater = async () => {
      await pause(random.between(0, laterMs));
      return await send();
    };
    const answers = await Promise.all([send(), sendLater()]);
    const [taken, other] = answers.filter(({ kind }) => kind === 'ok');
    if (missed.length > 0 && !this.#mayBeOver)
      world.findings.add('a push that nothing hinders is taken', `${who} ${this.#id}: it is there no more`);
    if (other !== undefined)
      world.findings.add('an upload goes on where it was', `${who} ${this.#id}: byte ${begin} came twice`);
    if (taken?.kind === 'ok') {
      this.#noteSize(taken.value.size);
      this.#usedAt = from;
    }
    return taken ?? answers[0];
  }

  /** For which there is no room, it is over; so it may be for whoever did not hear of that. */
  #noteRefusal(answer: Answer<unknown>): void {
    const { full, maxSize } = this.#parts.world.plan;
    if (answer.kind === 'failed') this.#mayBeOver ||= answer.status === 507;
    else if (answer.kind !== 'ok') this.#mayBeOver ||= full !== undefined || maxSize > 0;
  }

  /** Where it goes on, as it is said; false: it does not. */
  async #goOn(): Promise<boolean> {
    const { who, repository, pause } = this.#parts;
    for (let tries = 0; tries < maxTries; tries += 1) {
      await pause(retryMs);
      const answer = await this.#uploads.uploadState(who, repository, this.#id, this.#mayFail);
      if (answer.kind === 'ok') {
        this.#noteSize(answer.value.size);
        return true;
      }
      if (answer.kind === 'failed') return false;
    }
    return false;
  }

  #noteSize(size: number): void {
    const { world, who } = this.#parts;
    const isLess = size < this.#acked && world.powerCuts === this.#powerCuts;
    if (isLess || size > this.#sent)
      world.findings.add(
        'an upload goes on where it was',
        `${who} ${this.#id}: ${size} bytes are there, of ${this.#sent} that were sent and ${this.#acked} that were acknowledged`,
      );
    this.#acked = size;
  }

  async #commit(last: Sending | undefined, digest = this.#parts.digest): Promise<boolean> {
    const { world, who, repository } = this.#parts;
    const isWrong = digest !== this.#parts.digest;
    // What was lost with the power is missed now.
    const mayFail = (status: number): boolean =>
      this.#mayFail(status) || (status === 400 && (isWrong || world.powerCuts !== this.#powerCuts));
    const answer = await this.#uploads.commit(who, repository, this.#id, { digest, last }, mayFail);
    this.#mayBeOver = true;
    if (answer.kind === 'ok' && isWrong)
      world.findings.add('whole answers are right', short(`${digest} was taken, and is not what came`));
    return answer.kind === 'ok';
  }

  readonly #mayFail = (status: number): boolean => {
    const { world, repository } = this.#parts;
    const expiryMs = world.hostedRules.ruleOf(repository)?.uploadExpiryMs ?? 0;
    const mayHaveExpired = world.time > this.#usedAt + expiryMs - slackMs;
    const mayBeLost = world.powerCuts !== this.#powerCuts;
    if (status === 404) return mayHaveExpired || mayBeLost || this.#mayBeOver;
    // A request that broke off may still hold it, or bring more.
    return (status === 409 || status === 416) && (this.#mayBeHeld || mayBeLost);
  };

  get #uploads(): UploadPushes {
    return this.#parts.uploads();
  }

  #sending(begin: number, end: number): Sending {
    const { random, chunkMs } = this.#parts;
    const bytes = this.#bytes.subarray(begin, end);
    return { bytes, chunkMs, at: random.chance(0.5) ? begin : undefined, saysLength: random.chance(0.6) };
  }
}
