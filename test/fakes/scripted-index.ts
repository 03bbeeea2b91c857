import type { MetadataStore } from '#src/storage/metadata-store.ts';
import type { Operation } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';

/** A real index in memory, some of whose methods the test has in its hand. */
export function scriptedIndex(script: (store: MetadataStore) => Partial<MetadataStore>): MetadataStore {
  const store = SqliteMetadataStore.inMemory();
  return new Proxy<MetadataStore>(store, {
    get: (target, key) => {
      const scripted: unknown = Reflect.get(script(store), key);
      if (scripted !== undefined) return scripted;
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** A real index in memory, whose changes of a kind wait for `before`, or fail as it does. */
export function indexThatWaits(
  kind: Operation['kind'],
  before: (operations: readonly Operation[]) => Promise<void>,
): MetadataStore {
  return scriptedIndex((store) => ({
    change: async (operations) => {
      if (operations.some((operation) => operation.kind === kind)) await before(operations);
      await store.change(operations);
    },
  }));
}
