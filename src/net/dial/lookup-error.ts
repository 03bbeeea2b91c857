/** A name without an address, as {@link https://nodejs.org/api/dns.html#error-codes Node} says it of its own lookups. */
export class LookupError extends Error {
  override readonly name = 'LookupError';
  readonly code: string;
  readonly hostname: string;

  constructor(code: string, hostname: string, message: string) {
    super(message);
    this.code = code;
    this.hostname = hostname;
  }
}

export function silentNameServer(hostname: string): LookupError {
  return new LookupError('ETIMEOUT', hostname, `the name server does not answer for ${hostname}`);
}

/** It was not asked at all: whoever hangs leaves no room. That says nothing of the name. */
export function crowdedOut(hostname: string): LookupError {
  return new LookupError(
    'ECANCELLED',
    hostname,
    `too many names wait for the name server: ${hostname} was not asked for`,
  );
}

export function noName(hostname: string): LookupError {
  return new LookupError('EBADNAME', hostname, `${JSON.stringify(hostname)} is no name`);
}

/** Has the name server said that there is no such name, or no address of it? What else goes wrong says nothing of the name. */
export function isAnswer(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')
  );
}
