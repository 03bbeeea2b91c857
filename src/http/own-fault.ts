import { RegistryError } from '../oci/error.ts';

/** Who comes again meets it less, or no more. Seconds. */
const retryAfter = '5';

/** Of files, sockets or memory this process has none left: that passes as others leave. */
const wanting: ReadonlySet<string> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const systemCode = /^E[A-Z0-9]{2,}$/;
/** The index is busy or cannot be read for now. What is damaged stays so. */
const indexCode = /^SQLITE_(?:BUSY|LOCKED|IOERR|FULL|CANTOPEN|NOMEM|PROTOCOL)/;
/** Of the store (its interfaces), which this room does not import: of all of it, and of one blob. */
const ofStore: ReadonlySet<string> = new Set(['StoreFullError', 'StoreBusyError']);
const ofBlob: ReadonlySet<string> = new Set(['BlobUnreadableError', 'WrongBytesError']);

/** In words for clients, and for who runs this server. */
interface Words {
  readonly forClients: string;
  readonly forLog: string;
}

const want: Words = {
  forClients: 'the server has more to do than it has files or memory for; ask again',
  forLog: 'the process has no file or memory left for a request (ulimit -n, LimitNOFILE)',
};
const cacheAway: Words = {
  forClients: 'the server cannot use its cache now; ask again',
  forLog: 'the cache cannot be used',
};
/** The cache brings it again for whoever asks next. */
const damaged: Words = {
  forClients: 'the server has this damaged; ask again',
  forLog: 'what is stored of it is damaged, or cannot be read',
};

export interface OwnFault {
  readonly error: RegistryError;
  /** What the log says of it: one of a fixed number of sentences. */
  readonly line: string;
}

/**
 * What a failure of the machine that we run on is to clients: 503 and when to come again. Undefined: it is none, but a bug. Nothing of
 * its message is told, which names files of ours.
 */
export function ownFault(cause: unknown): OwnFault | undefined {
  if (!(cause instanceof Error)) return undefined;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const words = wordsFor(code, cause.name);
  if (words === undefined) return undefined;
  const headers = { 'Retry-After': retryAfter };
  const error = new RegistryError('UNAVAILABLE', words.forClients, { status: 503, headers, cause });
  return { error, line: words.forLog };
}

function wordsFor(code: string, name: string): Words | undefined {
  if (wanting.has(code)) return want;
  if (ofBlob.has(name)) return damaged;
  return ofStore.has(name) || systemCode.test(code) || indexCode.test(code) ? cacheAway : undefined;
}
