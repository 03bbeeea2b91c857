import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { TimeLimit } from '../base/time-limit.ts';
import type { Readiness } from '../http/health.ts';
import type { Retention } from './retention.ts';
import type { Store } from './store.ts';

/** Who asks whether we are ready does not wait longer for a disk than this. Milliseconds. */
const maxCheckMs = 2000;
const notStoring =
  'not storing: the cache is full (cache.maxSize, cache.minFree) and nothing more may be evicted';

/** Ready, while the index can be read and the cache directory used. One look at a time: a disk that hangs is asked once. */
export function storeReadiness(
  { check, metadata, warning }: Store,
  retention: Pick<Retention, 'evictor'> | undefined,
  clock: Clock,
): Readiness {
  let looking: Promise<void> | undefined;
  return async () => {
    looking ??= check().finally(() => {
      looking = undefined;
    });
    // Who leaves before it is over is told nothing by it.
    looking.catch(() => undefined);
    await metadata.listRepositories({ limit: 1 });
    const late = () => new Error('it does not answer');
    using limit = new TimeLimit({ clock, milliseconds: maxCheckMs, reason: late, signal: undefined });
    try {
      await abortable(looking, limit.signal);
      const ofStore = await abortable(warning(), limit.signal);
      return { warning: ofStore ?? notStoringOf(retention?.evictor) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { reason: `the cache directory cannot be used: ${why}` };
    }
  };
}

function notStoringOf(evictor: Retention['evictor']): string | undefined {
  if (evictor?.isStuck === true) return notStoring;
  const registries = evictor?.stuckRegistries ?? [];
  return registries.length === 0
    ? undefined
    : `not storing what is of ${registries.join(', ')}: its limit (registries[].cache.maxSize) is reached, and nothing more of it may be evicted`;
}
