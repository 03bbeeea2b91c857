import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { readBoundedFile } from '../../base/bounded-file.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { type Log, silent } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import { own, worded } from '../../oci/wording.ts';
import { ContextOfFiles } from './context-of-files.ts';

/** Files in PEM. Nothing here is read before the first https connection. */
export interface TlsSettings {
  /** Certificate authorities that are trusted besides Node's and the operating system's. */
  readonly caFiles?: readonly string[] | undefined;
  /** The client's certificate and key, shown to the registry's own host alone. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** For the registry's own host alone. */
  readonly insecureSkipVerify?: boolean | undefined;
}

/** Where distributions keep their bundle, for a Node that was built to look elsewhere. */
const bundlePaths = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const maxBytes = 4 * 1024 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

interface Surroundings {
  readonly clock?: Clock;
  readonly log?: Log;
}

/**
 * Whose certificates are believed. One for the process: the roots (some 300 of them) are read once, and there is one context
 * for each set of files, which follows them. A failure to read is not kept.
 */
export class TlsTrust {
  readonly #environment: Environment;
  #roots: Promise<readonly string[]> | undefined;
  readonly #contexts = new Map<string, ContextOfFiles>();
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(
    environment: Environment = process.env,
    { clock = systemClock, log = silent }: Surroundings = {},
  ) {
    this.#environment = environment;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws UNAVAILABLE (502), naming the file, when one of the settings' files cannot be used. */
  async context(settings: TlsSettings): Promise<SecureContext> {
    const key = JSON.stringify([settings.caFiles, settings.certFile, settings.keyFile]);
    const known = this.#contexts.get(key) ?? this.#follow(settings);
    this.#contexts.set(key, known);
    return await known.get();
  }

  #follow(settings: TlsSettings): ContextOfFiles {
    const make = async (): Promise<SecureContext> => await this.#make(settings);
    return new ContextOfFiles({ files: filesOf(settings), make, clock: this.#clock, log: this.#log });
  }

  async #make(settings: TlsSettings): Promise<SecureContext> {
    const { caFiles = [], certFile, keyFile } = settings;
    this.#roots ??= rootsOf(this.#environment).catch((error: unknown) => {
      this.#roots = undefined;
      throw error;
    });
    const roots = await this.#roots;
    const ca: string[] = [];
    for (const file of caFiles) ca.push(await readPem(file));
    const cert = certFile === undefined ? undefined : await readPem(certFile);
    const key = keyFile === undefined ? undefined : await readPem(keyFile);
    try {
      return createSecureContext({ ca: [...roots, ...ca], cert, key });
    } catch (cause) {
      const files = filesOf(settings).join(', ');
      throw new RegistryError('UNAVAILABLE', worded`the TLS files cannot be used${own(`: ${files}`)}`, {
        cause,
      });
    }
  }
}

function filesOf({ caFiles = [], certFile, keyFile }: TlsSettings): string[] {
  return [...caFiles, certFile, keyFile].filter((file) => file !== undefined);
}

async function rootsOf(environment: Environment): Promise<readonly string[]> {
  const system = getCACertificates('system');
  const bundles = system.length > 0 ? [] : bundlePaths;
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directories } = environment;
  const found = await Promise.all([
    ...[...bundles, ...(file ? [file] : [])].map(readIfThere),
    ...(directories ? directories.split(':').map(readDirectory) : []),
  ]);
  return [
    ...new Set([
      ...getCACertificates('bundled'),
      ...system,
      ...getCACertificates('extra'),
      ...found.flat().filter((pem) => pem.includes('-----BEGIN CERTIFICATE-----')),
    ]),
  ];
}

async function readDirectory(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(unlessWanting<string>);
  return (await Promise.all(names.map((name) => readIfThere(join(directory, name))))).flat();
}

async function readIfThere(path: string): Promise<string[]> {
  try {
    return [(await readBoundedFile(path, maxBytes)).toString('utf8')];
  } catch (error) {
    return unlessWanting(error);
  }
}

/** That no file can be opened now says nothing of this one, and would be believed for as long as the process lives. */
function unlessWanting<Value>(error: unknown): Value[] {
  const cause = error instanceof Error ? (error.cause ?? error) : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code !== 'EMFILE' && code !== 'ENFILE' && code !== 'ENOMEM') return [];
  throw new RegistryError('UNAVAILABLE', 'the certificates that are trusted cannot be read now', {
    status: 503,
    headers: { 'Retry-After': '5' },
    cause: error,
  });
}

async function readPem(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readBoundedFile(path, maxBytes)).toString('utf8');
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', worded`cannot read the TLS file${own(` ${path}`)}`, { cause });
  }
  // What is empty, or not yet written to its end, Node takes without a word: for no certificate, or for those that are whole.
  if (text.lastIndexOf('-----END ') <= text.lastIndexOf('-----BEGIN '))
    throw new RegistryError(
      'UNAVAILABLE',
      worded`the TLS file${own(` ${path}`)} is no PEM, or not the whole of one`,
    );
  return text;
}
