import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { ServerTls } from '../http/server.ts';
import type { Log } from '../log.ts';
import { fileVersions } from '../upstream/connection/file-versions.ts';
import { readTlsFiles, TlsFileError, type TlsFiles } from './tls-files.ts';

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 10_000;

/**
 * The certificate of the server, its key, and the authorities of its clients, as the files say it now. The files are looked at
 * every ten seconds, which also sees what events on a file miss: the swap of the link above them by which Kubernetes changes a
 * mounted secret. What is broken changes nothing, is said once, and is tried again: it may not be the files' fault.
 */
export class ServerCertificates {
  readonly #files: TlsFiles;
  readonly #clientAuth: ServerTls['clientAuth'];
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  /** Of what is used. */
  #version: string;
  /** Of what was read last and could not be used, with the reason. */
  #failure: string | undefined;
  #tls: ServerTls;
  #use: (tls: ServerTls) => void = () => {};
  #reading: Promise<void> = Promise.resolve();

  private constructor(
    files: TlsFiles,
    parts: Parts,
    read: { readonly tls: ServerTls; readonly version: string },
  ) {
    this.#files = files;
    this.#parts = parts;
    this.#tls = read.tls;
    this.#version = read.version;
    this.#clientAuth = read.tls.clientAuth;
  }

  /** Undefined: the server is plain HTTP. Throws an Error that names the key, before anything listens. */
  static async open({ serverTlsConfig }: Config, parts: Parts): Promise<ServerCertificates | undefined> {
    const { clientAuth, ...files } = serverTlsConfig;
    if (files.cert === '') return undefined;
    try {
      const version = await versionOf(files);
      return new ServerCertificates(files, parts, { tls: await readTls(files, clientAuth), version });
    } catch (cause) {
      if (!(cause instanceof TlsFileError)) throw cause;
      throw new Error(`serverTlsConfig.${cause.key}: ${cause.message}`, { cause });
    }
  }

  get tls(): ServerTls {
    return this.#tls;
  }

  /** Hands on what has changed, until it is disposed of. */
  renew(use: (tls: ServerTls) => void): AsyncDisposable {
    this.#use = use;
    const watching = this.#watch();
    return {
      [Symbol.asyncDispose]: async () => {
        this.#stop.abort();
        await watching;
      },
    };
  }

  /** At once, whether the files look changed or not. */
  readAgain(): void {
    this.#reading = this.#reading.then(async () => await this.#read(true));
  }

  async #watch(): Promise<void> {
    while (await this.#isNextCheck()) {
      this.#reading = this.#reading.then(async () => await this.#read(false));
      await this.#reading;
    }
    await this.#reading;
  }

  /** After ten seconds. False: it is over. */
  async #isNextCheck(): Promise<boolean> {
    const { signal } = this.#stop;
    await this.#parts.clock.sleep(checkEveryMs, signal).catch(() => undefined);
    return !signal.aborted;
  }

  /** Never throws. The version is taken before the files are read: what changes meanwhile is seen the next time. */
  async #read(anyway: boolean): Promise<void> {
    const version = await versionOf(this.#files);
    if (version === this.#version && !anyway) return;
    try {
      const tls = await readTls(this.#files, this.#clientAuth);
      this.#use(tls);
      this.#tls = tls;
      this.#version = version;
      this.#failure = undefined;
      this.#parts.log.info({ cert: this.#files.cert }, 'the certificates of the server were read again');
    } catch (error) {
      this.#tell(error, `${version}: ${error}`, anyway);
    }
  }

  #tell(error: unknown, failure: string, anyway: boolean): void {
    if (failure === this.#failure && !anyway) return;
    this.#failure = failure;
    this.#parts.log.error(
      { err: error },
      'the new certificates of the server cannot be used: the old ones are used on',
    );
  }
}

async function readTls(files: TlsFiles, clientAuth: ServerTls['clientAuth']): Promise<ServerTls> {
  const { cert = '', key = '', ca } = await readTlsFiles(files);
  return { cert, key, ca, clientAuth };
}

async function versionOf({ cert, key, ca }: TlsFiles): Promise<string> {
  return await fileVersions([cert, key, ca].filter((path) => path !== ''));
}
