import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Rebuilt, rebuildIndex } from '../rebuild/rebuild-index.ts';
import { changesOf } from '../storage/operation.ts';
import type { Caching } from './caching.ts';

interface RebuildSettings {
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the index anew where that is to be done. Undefined: it is not. Errors as {@link rebuildIndex}. */
export async function rebuilt(
  { store, cache }: Caching,
  { clock, log }: RebuildSettings,
  signal: AbortSignal,
): Promise<Rebuilt | undefined> {
  const { content, metadata, rebuildFrom } = store;
  if (rebuildFrom === undefined) return undefined;
  log.warn({ list: rebuildFrom }, 'making the index anew from what lies in the directory');
  const parts = {
    content,
    metadata,
    clock,
    log,
    changed: (operations: Parameters<typeof changesOf>[0]) => cache.forget(changesOf(operations)),
  };
  const done = await rebuildIndex(rebuildFrom, parts, signal);
  store.changed();
  log.warn({ ...done }, 'the index is made anew');
  return done;
}

/** The same beside the clients; what fails is logged, and done by the next start. Disposing ends it. */
export function beginRebuild(caching: Caching, settings: RebuildSettings): AsyncDisposable {
  const stop = new AbortController();
  const done = rebuilt(caching, settings, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) settings.log.error({ err: error }, 'the index could not be made anew');
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}
