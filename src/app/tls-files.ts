import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { readBoundedFile } from '../base/bounded-file.ts';

/** Paths of files in PEM; `''` is none. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Their texts. */
export interface TlsTexts {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
}

/** A file cannot be used. The message names it and says why, in words for whoever has to mend it. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError';
  /** By which key of the configuration it is named. */
  readonly key: keyof TlsFiles;

  constructor(key: keyof TlsFiles, path: string, reason: string) {
    super(`the file ${JSON.stringify(path)} ${reason}`);
    this.key = key;
  }
}

/** What such a file may have. */
const maxBytes = 4 * 1024 * 1024;

/** Reads the files and sees whether they are what they should be, and the key that of the certificate. Throws TlsFileError. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsTexts> {
  const cert = await read(files, 'cert');
  const key = await read(files, 'key');
  const ca = await read(files, 'ca');
  for (const name of ['cert', 'ca'] as const) {
    const text = { cert, ca }[name];
    if (text !== undefined && certificateIn(text) === undefined)
      throw new TlsFileError(name, files[name], 'holds no certificate in PEM');
  }
  if (cert !== undefined && key !== undefined) checkPair(cert, key, files);
  return { cert, key, ca };
}

async function read(files: TlsFiles, name: keyof TlsFiles): Promise<string | undefined> {
  const path = files[name];
  if (path === '') return undefined;
  try {
    return (await readBoundedFile(path, maxBytes)).toString('utf8');
  } catch (error) {
    throw new TlsFileError(name, path, `cannot be used: ${error instanceof Error ? error.message : error}`);
  }
}

/** The first of a chain or bundle: the one that a key belongs to. */
export function certificateIn(pem: string): X509Certificate | undefined {
  const [block] = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [^-]+-----/.exec(pem) ?? [];
  try {
    return block === undefined ? undefined : new X509Certificate(block);
  } catch {
    return undefined;
  }
}

function checkPair(cert: string, key: string, files: TlsFiles): void {
  const privateKey = keyIn(key);
  if (privateKey === undefined) {
    const reason = key.includes('ENCRYPTED')
      ? 'is locked with a passphrase, which nobody is there to type'
      : 'holds no private key in PEM';
    throw new TlsFileError('key', files.key, reason);
  }
  if (certificateIn(cert)?.checkPrivateKey(privateKey) !== true)
    throw new TlsFileError(
      'key',
      files.key,
      `is not the key of the certificate in ${JSON.stringify(files.cert)}`,
    );
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const reason =
      error instanceof Error && 'reason' in error ? String(error.reason) : 'for no reason it says';
    throw new TlsFileError('cert', files.cert, `is refused by OpenSSL: ${reason}`);
  }
}

function keyIn(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
