import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost, type Entry, sendEntries } from '#src/admin/send-entries.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';

const list = { name: 'things', header: 'THING\n', nothing: 'nothing\n' };

async function serving(pages: () => AsyncIterable<readonly Entry[]>) {
  const log = new LogLines();
  const administer = async (exchange: Parameters<typeof sendEntries>[0]) =>
    await sendEntries(exchange, list, pages());
  return Object.assign(await serveRegistry(new MemoryRegistry(), { administer, log }), { log });
}

const entry = (name: string): Entry => ({ text: `${name}\n`, object: { name } });

async function* all(...pages: readonly (readonly string[])[]): AsyncGenerator<readonly Entry[]> {
  for (const page of pages) yield page.map(entry);
}

describe('a list that is sent', () => {
  it('is lines for people and JSON for programs, whole where pages are empty, too', async () => {
    for (const [pages, lines, json] of [
      [
        [['a', 'b'], [], ['c']],
        'THING\na\nb\nc\n',
        { things: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
      ],
      [[[], ['a']], 'THING\na\n', { things: [{ name: 'a' }] }],
      [[[]], 'nothing\n', { things: [] }],
      [[], 'nothing\n', { things: [] }],
    ] as const) {
      await using server = await serving(() => all(...pages));
      assert.equal((await ask(server, '/cmd/x')).body.toString(), lines);
      const answer = await ask(server, '/cmd/x', {
        headers: { accept: 'text/html, application/json;q=0.5' },
      });
      assert.deepEqual(JSON.parse(answer.body.toString()), json);
      const other = await ask(server, '/cmd/x', { headers: { accept: 'application/json;q=0, */*' } });
      assert.equal(other.body.toString(), lines);
    }
  });

  it('has no more than was asked for, and what is behind that is not read', async () => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read += 1;
        yield [1, 2, 3];
      }
    }
    assert.deepEqual(await Array.fromAsync(atMost(4, endless())), [[1, 2, 3], [1]]);
    assert.equal(read, 2);
    assert.deepEqual(await Array.fromAsync(atMost(0, endless())), []);
    assert.equal(read, 2);
  });

  it('is an error like any other where it fails before its first line, and breaks off where it fails later', async () => {
    async function* failing(first: readonly string[]): AsyncGenerator<readonly Entry[]> {
      yield first.map(entry);
      throw new Error('the index is gone');
    }
    for (const [first, status, isCut] of [
      [[], 500, false],
      [['a'], 200, true],
    ] as const) {
      await using server = await serving(() => failing(first));
      const answer = await ask(server, '/cmd/x');
      assert.deepEqual([answer.status, answer.isCut], [status, isCut]);
      assert.doesNotMatch(answer.body.toString(), /index is gone/);
    }
  });

  it('is read as fast as its client takes it, and no further when he has left', {
    timeout: 20_000,
  }, async () => {
    let read = 0;
    const over = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<readonly Entry[]> {
      try {
        for (;;) {
          read += 1;
          yield [entry('x'.repeat(64 * 1024))];
        }
      } finally {
        over.resolve();
      }
    }
    await using server = await serving(endless);
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write('GET /cmd/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // What lies between us is some megabytes.
    for (let before = -1; before !== read || read === 0; ) {
      before = read;
      await sleep(100);
    }
    assert.ok(read < 1000, `${read} pages`);
    socket.destroy();
    await over.promise;
  });
});
