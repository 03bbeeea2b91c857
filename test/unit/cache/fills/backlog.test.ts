import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backlog, BacklogLane } from '#src/cache/fills/backlog.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const mebibyte = 1024 * 1024;

/** Asks for so many places and says how many were given. */
function askFor(lane: BacklogLane, count: number, weight = 1) {
  const places: Disposable[] = [];
  const waiting = Array.from({ length: count }, async () => places.push(await lane.admit(weight)));
  return { places, all: Promise.all(waiting) };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('the backlog of what is not durable yet', () => {
  it('admits so much at a time, and the next one when one is done', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 40 });
    const { places, all } = askFor(lane, 15);
    await turn();
    assert.equal(places.length, 10);
    places[0]?.[Symbol.dispose]();
    places[0]?.[Symbol.dispose]();
    await turn();
    // One for the place that is free, and one more since it became free so soon.
    assert.equal(places.length, 12);
    for (const place of places) place[Symbol.dispose]();
    await turn();
    assert.equal(places.length, 15);
    await all;
  });

  it('admits more while all is done quickly and somebody waits, up to its bound', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 40 });
    const { places, all } = askFor(lane, 200);
    let done = 0;
    let most = 0;
    while (done < 200) {
      await turn();
      most = Math.max(most, places.length - done);
      places[done]?.[Symbol.dispose]();
      done += 1;
    }
    await all;
    assert.equal(most, 40);
  });

  it('admits less when it takes too long, down to its bound', async () => {
    const clock = new FakeClock();
    const lane = new BacklogLane(clock, { least: 2, most: 40 });
    const slow = askFor(lane, 10);
    await slow.all;
    await clock.advance(1000);
    for (const place of slow.places) place[Symbol.dispose]();
    const { places } = askFor(lane, 10);
    await turn();
    assert.equal(places.length, 2);
  });

  it('is not entered by somebody who came later, however little he brings', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 40 });
    const first = await lane.admit(9);
    const order: string[] = [];
    const heavy = lane.admit(8).then(() => order.push('heavy'));
    const light = lane.admit(1).then(() => order.push('light'));
    await turn();
    assert.deepEqual(order, []);
    first[Symbol.dispose]();
    await Promise.all([heavy, light]);
    assert.deepEqual(order, ['heavy', 'light']);
  });

  it('takes what is heavier than all that it admits when it is empty', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 40 });
    using place = await lane.admit(1000);
    assert.ok(place);
  });

  it('lets nobody wait for more than five seconds, nor at all while nothing moves', async () => {
    const clock = new FakeClock();
    const lane = new BacklogLane(clock, { least: 2, most: 4 });
    const only = await lane.admit(1);
    const waiting = assert.rejects(lane.admit(1), { name: 'StoreBusyError' });
    await clock.advance(4999);
    assert.equal(clock.sleeping, 1);
    await clock.advance(1);
    await waiting;
    await assert.rejects(lane.admit(1), { name: 'StoreBusyError' });
    only[Symbol.dispose]();
    (await lane.admit(1))[Symbol.dispose]();
    assert.equal(clock.sleeping, 0);
  });

  it('forgets who stops waiting, and gives his turn to the next', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 40 });
    await lane.admit(9);
    const client = new AbortController();
    const heavy = assert.rejects(lane.admit(8, client.signal), /gone/);
    const light = lane.admit(1);
    client.abort(new Error('gone'));
    await heavy;
    (await light)[Symbol.dispose]();
  });

  it('lets so many wait and no more', async () => {
    const lane = new BacklogLane(new FakeClock(), { least: 2, most: 4 });
    await lane.admit(1);
    const client = new AbortController();
    const waiting = Array.from({ length: 512 }, async () => await lane.admit(1, client.signal));
    const ended = Promise.allSettled(waiting);
    await assert.rejects(lane.admit(1), { name: 'StoreBusyError' });
    client.abort(new Error('gone'));
    await ended;
  });

  it('does not let small blobs wait for large ones', async () => {
    const backlog = new Backlog(new FakeClock());
    const large: Disposable[] = [];
    for (let at = 0; at < 20; at += 1) void backlog.admit(100 * mebibyte).then((place) => large.push(place));
    await turn();
    assert.equal(large.length, 8);
    using small = await backlog.admit(1000);
    assert.ok(small);
  });

  it('counts bytes as well as files', async () => {
    const backlog = new Backlog(new FakeClock());
    const admitted: Disposable[] = [];
    for (let at = 0; at < 64; at += 1) void backlog.admit(4 * mebibyte).then((place) => admitted.push(place));
    await turn();
    assert.equal(admitted.length, 3);
  });
});
