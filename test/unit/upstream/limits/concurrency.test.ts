import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TransportRequest } from '#src/net/transport.ts';
import { sha256 } from '#src/oci/digest.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { ConcurrencyTransport } from '#src/upstream/limits/concurrency.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';
import { on, stalledAfter } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const request = (bulk: boolean, signal?: AbortSignal): TransportRequest => ({
  method: 'GET',
  url: new URL('https://registry.example/v2/a/blobs/b'),
  bulk,
  signal,
});

describe('more requests than maxConcurrent', () => {
  it('wait until one is disposed of, in the order they came; downloads and the rest apart', async () => {
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new ConcurrencyTransport(wire, 2);
    const first = await transport.send(request(true));
    await transport.send(request(true));
    const order: number[] = [];
    const third = transport.send(request(true)).then(() => order.push(3));
    const fourth = transport.send(request(true)).then(async () => order.push(4));
    await (await transport.send(request(false)))[Symbol.asyncDispose]();
    assert.equal(wire.requests.length, 3);
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    await third;
    assert.deepEqual([order, wire.requests.length], [[3], 4]);
    void fourth;
  });

  it('come after those that a client waits for, and know when they wait', async () => {
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new ConcurrencyTransport(wire, 1);
    const first = await transport.send(request(true));
    const said: string[] = [];
    const asking = (name: string, turn: { isUrgent: boolean }) =>
      transport
        .send({ ...request(true), turn: { ...turn, waits: (waits) => said.push(`${name} ${waits}`) } })
        .then(async (response) => await response[Symbol.asyncDispose]());
    const left = { isUrgent: false };
    const all = [
      asking('left', left),
      asking('second', { isUrgent: true }),
      asking('third', { isUrgent: true }),
    ];
    await first[Symbol.asyncDispose]();
    await Promise.all(all);
    assert.deepEqual(said, [
      ...['left true', 'second true', 'third true'],
      ...['second false', 'third false', 'left false'],
    ]);
  });

  it('do not hold up what is to take the place of one that runs, of which there are two beside them', async () => {
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new ConcurrencyTransport(wire, 1);
    const standIn = { ...request(true), turn: { isUrgent: true, standsIn: true } };
    const sick = await transport.send(request(true));
    const waiting = transport.send(request(true));
    const one = await transport.send(standIn);
    const two = await transport.send(standIn);
    const three = transport.send(standIn);
    assert.equal(wire.requests.length, 3);
    // The first has its place for good, and another may stand in.
    await sick[Symbol.asyncDispose]();
    const last = await three;
    assert.equal(wire.requests.length, 4);
    for (const response of [two, last, one]) await response[Symbol.asyncDispose]();
    await (await waiting)[Symbol.asyncDispose]();
    for (let free = 0; free < 2; free += 1)
      await (await transport.send(free === 0 ? standIn : request(true)))[Symbol.asyncDispose]();
    assert.deepEqual([wire.requests.length, wire.unread], [7, 0]);
  });

  it('wait no longer than their signal, and whoever fails makes room', async () => {
    let fails = true;
    const wire = new ScriptedTransport(() => {
      if (fails) throw new Error('no answer');
      return { status: 200 };
    });
    const transport = new ConcurrencyTransport(wire, 1);
    await assert.rejects(transport.send(request(true)), /no answer/);
    fails = false;
    const held = await transport.send(request(true));
    const gone = new AbortController();
    const waiting = transport.send(request(true, gone.signal));
    gone.abort(new Error('the client left'));
    await assert.rejects(waiting, /the client left/);
    await held[Symbol.asyncDispose]();
    await transport.send(request(true));
    assert.equal(wire.requests.length, 3);
  });

  it('have not asked upstream yet: the wait is no time-out, and upstream is given no rest', async () => {
    const clock = new FakeClock();
    await using made = await UpstreamUnderTest.start({
      clock,
      pullTimeoutMs: 20_000,
      maxConcurrent: 1,
    });
    const layers = [bytes(300_000, 1), bytes(1000, 2)];
    putImage(made.upstream.content, made.name, parseTag('v1'), layers);
    const [large = '', small = ''] = layers.map((layer) => sha256(layer));
    const slow = gate();
    made.spoil(on(new RegExp(large), stalledAfter(1000, slow.wait)));
    await using first = await made.registry.getBlob(made.name, large as Digest);
    const second = made.registry.getBlob(made.name, small as Digest);
    await clock.advance(60_000);
    assert.equal(made.upstream.calls.filter((call) => call.includes(small)).length, 0);
    slow.open();
    assert.equal((await collect(first.body)).length, 300_000);
    await using reader = await second;
    assert.equal((await collect(reader.body)).length, 1000);
    assert.deepEqual(made.oddities, []);
  });
});
