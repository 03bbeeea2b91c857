import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';
import { StoreBusyError, StoreFullError } from '../storage/content-store.ts';

/** No room, no file left, a disk or an index that does not take anything: what all that is asked for meets alike. */
const codes =
  /^(?:E(?:DQUOT|IO|MFILE|NFILE|NOMEM|NOSPC|ROFS|STALE)|SQLITE_(?:BUSY|CANTOPEN|FULL|IOERR|LOCKED|NOMEM|READONLY).*)$/;

/**
 * A log in which a fault of the whole store is told once a minute, with how often it was met, and not for each blob and manifest. `over` has what
 * is to be disposed of in the end.
 */
export function tellingOfStoreOnce(log: Log, clock: Clock, over: AsyncDisposableStack): Log {
  const at = (level: 'warn' | 'error'): Log['error'] => {
    const write: Log['error'] = (fields, message) => log[level](fields, message);
    const lines = over.use(new CountedLines({ clock, write }));
    return (fields, message) => {
      if (isOfStore(fields['err'])) lines.write(fields, message);
      else log[level](fields, message);
    };
  };
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: at('warn'),
    error: at('error'),
  };
}

function isOfStore(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof StoreFullError || error instanceof StoreBusyError) return true;
  return 'code' in error && codes.test(String(error.code));
}
