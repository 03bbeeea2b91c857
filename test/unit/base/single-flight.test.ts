import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SingleFlight } from '#src/base/single-flight.ts';

describe('SingleFlight', () => {
  it('runs once for all who come meanwhile and again afterwards', async () => {
    const flights = new SingleFlight<string, number>();
    const result = Promise.withResolvers<number>();
    let runs = 0;
    const work = async () => {
      runs += 1;
      return await result.promise;
    };
    const waiting = [flights.run('a', work), flights.run('a', work)];
    result.resolve(7);
    assert.deepEqual(await Promise.all(waiting), [7, 7]);
    assert.equal(runs, 1);
    await flights.run('a', work);
    assert.equal(runs, 2);
  });

  it('gives its error to every waiter, not only to the first', async () => {
    const flights = new SingleFlight<string, number>();
    const result = Promise.withResolvers<number>();
    const waiting = Array.from({ length: 10 }, () => flights.run('a', async () => await result.promise));
    result.reject(new Error('upstream is down'));
    const settled = await Promise.allSettled(waiting);
    assert.deepEqual(
      settled.map(({ status }) => status),
      Array(10).fill('rejected'),
    );
    assert.equal(flights.has('a'), false);
  });
});
