import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventQueue } from '#src/storage/event-queue.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { queueEvents, settleEvents, takeEventTurn } from '#src/storage/operation.ts';

/** By the system's clock. */
export type EventQueueFactory = () => Promise<
  { readonly store: MetadataStore & { readonly events: EventQueue } } & AsyncDisposable
>;

/** What every EventQueue promises. */
export function eventQueueContract(name: string, create: EventQueueFactory): void {
  describe(`${name} as an EventQueue`, () => {
    it('gives what waits for an endpoint in its order, in pages, and nothing of another', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([queueEvents('one', ['a', 'b'], 10), queueEvents('two', ['x'], 10)]);
      await store.change([queueEvents('one', ['c'], 10)]);
      const first = await store.events.waiting('one', { after: 0, limit: 2 });
      assert.deepEqual(
        first.map(({ text }) => text),
        ['a', 'b'],
      );
      const rest = await store.events.waiting('one', { after: first[1]?.id ?? 0, limit: 2 });
      assert.deepEqual(
        rest.map(({ text }) => text),
        ['c'],
      );
      assert.deepEqual(await store.events.endpoints(), ['one', 'two']);
      assert.deepEqual(await store.events.waiting('three', { after: 0, limit: 2 }), []);
      assert.deepEqual(await store.events.stateOf('three'), { waiting: 0, dropped: 0 });
    });

    it('forgets what was settled, and gives no place twice', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([queueEvents('one', ['a', 'b'], 10)]);
      const [, last] = await store.events.waiting('one', { after: 0, limit: 2 });
      await store.change([settleEvents('one', last?.id ?? 0, 'me')]);
      assert.deepEqual(await store.events.stateOf('one'), { waiting: 0, dropped: 0 });
      await store.change([queueEvents('one', ['c'], 10)]);
      const [next] = await store.events.waiting('one', { after: last?.id ?? 0, limit: 2 });
      assert.equal(next?.text, 'c');
    });

    it('lets the oldest go where more wait than may, of that endpoint alone, and counts them', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([queueEvents('two', ['x'], 2), queueEvents('one', ['a', 'b'], 2)]);
      await store.change([queueEvents('one', ['c', 'd', 'e'], 2)]);
      const texts = (await store.events.waiting('one', { after: 0, limit: 9 })).map(({ text }) => text);
      assert.deepEqual(texts, ['d', 'e']);
      assert.deepEqual(await store.events.stateOf('one'), { waiting: 2, dropped: 3 });
      assert.deepEqual(await store.events.stateOf('two'), { waiting: 1, dropped: 0 });
    });

    it('has one holder of a turn at a time, until it is settled, or its time is over', async () => {
      await using made = await create();
      const { store } = made;
      const take = async (holder: string, milliseconds: number): Promise<string | undefined> => {
        await store.change([takeEventTurn('one', holder, Date.now() + milliseconds)]);
        return (await store.events.turnOf('one'))?.holder;
      };
      assert.equal(await take('first', 1000), 'first');
      assert.equal(await take('second', 2000), 'first');
      assert.equal(await take('first', 3000), 'first');
      await store.change([settleEvents('one', 0, 'second')]);
      assert.equal(await take('second', 4000), 'first');
      await store.change([settleEvents('one', 0, 'first')]);
      assert.equal(await take('second', -1), 'second');
      assert.equal(await take('third', 1000), 'third');
      // The clock went ahead, and was set back.
      assert.equal(await take('third', 86_400_000), 'third');
      assert.equal(await take('second', 1000), 'second');
    });
  });
}
