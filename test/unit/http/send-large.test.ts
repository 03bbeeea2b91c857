import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { Request, Response } from 'express';
import { largeAnswers } from '#src/base/room.ts';
import { Exchange } from '#src/http/exchange/exchange.ts';
import { sendLarge } from '#src/http/exchange/send-large.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

/** A client that takes a piece when the test says so. */
class Client extends EventEmitter {
  readonly headersSent = true;
  isCut = false;
  #taken: (() => void) | undefined;

  setHeader(): void {}

  write(_piece: Uint8Array, taken: () => void): void {
    this.#taken = taken;
  }

  async take(pieces: number): Promise<void> {
    for (let count = 0; count < pieces; count += 1) {
      this.#taken?.();
      await turn();
    }
  }

  destroy(): void {
    this.isCut = true;
    this.emit('close');
  }

  end(): void {}
}

/** Sixty pieces on their way: five minutes for all of them are two in ten seconds. */
function sending() {
  const clock = new FakeClock();
  const client = new Client();
  const request = { method: 'GET', originalUrl: '/v2/', headers: {} } as Request;
  const exchange = new Exchange(request, client as unknown as Response, { clock, milliseconds: 20_000 });
  const pieces = Array.from({ length: 60 }, () => new Uint8Array(1000));
  return { clock, client, sent: sendLarge(exchange, 'application/json', pieces) };
}

describe('who is sent a large answer while others wait for memory', () => {
  it('has five minutes for all of it, and is cut off where he takes less', async () => {
    const [slow, steady] = [sending(), sending()];
    const cut = assert.rejects(slow.sent, (error) => error instanceof RegistryError && error.status === 502);
    const leaving = new AbortController();
    largeAnswers.force('others', 1e12);
    const waiting = assert.rejects(largeAnswers.take('another', 1, 0, leaving.signal), /over/);
    for (let times = 0; times < 30; times += 1) {
      await steady.client.take(2);
      if (times === 0) await slow.client.take(1);
      await Promise.all([steady.clock.advance(10_000), times === 0 ? slow.clock.advance(10_000) : undefined]);
    }
    assert.deepEqual([slow.client.isCut, steady.client.isCut], [true, false]);
    await Promise.all([cut, steady.sent]);
    leaving.abort(new Error('over'));
    await waiting;
    largeAnswers.giveBack('others', 1e12);
    assert.deepEqual([largeAnswers.taken, largeAnswers.waiting], [0, 0]);
  });

  it('has the time that he likes while nobody waits', async () => {
    const { clock, client, sent } = sending();
    for (let times = 0; times < 60; times += 1) {
      await client.take(1);
      await clock.advance(60_000);
    }
    await sent;
    assert.equal(client.isCut, false);
  });
});
