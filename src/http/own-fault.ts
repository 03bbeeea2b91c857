import { RegistryError } from '../oci/error.ts';

/** Who comes again meets it less, or no more. Seconds. */
const retryAfter = '5';

/** Of files, sockets or memory this process has none left: that passes as others leave. */
const wanting: ReadonlySet<string> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const systemCode = /^E[A-Z0-9]{2,}$/;
/** The index is busy or cannot be read for now. What is damaged stays so. */
const indexCode = /^SQLITE_(?:BUSY|LOCKED|IOERR|FULL|CANTOPEN|NOMEM|PROTOCOL)/;
/** Of the store (its interfaces), which this room does not import. */
const ofStore: ReadonlySet<string> = new Set(['StoreFullError', 'StoreBusyError', 'BlobUnreadableError']);

/**
 * What a failure of the machine that we run on is to clients: 503 and when to come again. Undefined: it is none, but a bug. Nothing of
 * its message is told, which names files of ours.
 */
export function ownFault(error: unknown): RegistryError | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = messageFor(code, error.name);
  if (message === undefined) return undefined;
  const headers = { 'Retry-After': retryAfter };
  return new RegistryError('UNAVAILABLE', message, { status: 503, headers, cause: error });
}

function messageFor(code: string, name: string): string | undefined {
  if (wanting.has(code)) return 'the server has more to do than it has files or memory for; ask again';
  if (ofStore.has(name) || systemCode.test(code) || indexCode.test(code))
    return 'the server cannot use its cache now; ask again';
  return undefined;
}
