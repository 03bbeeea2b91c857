import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { FollowedFiles } from '../base/followed-files.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { ServerTls } from '../http/server.ts';
import { readTlsFiles, TlsFileError } from './tls-files.ts';

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 10_000;

/**
 * The certificate of the server, its key, and the certificate authorities of its clients, as the files say it now. The files are looked at
 * every ten seconds, which also sees what events on a file miss: the swap of the link above them by which Kubernetes changes a
 * mounted secret.
 */
export class ServerCertificates {
  readonly #parts: Parts;
  readonly #path: string;
  readonly #files: FollowedFiles<ServerTls>;
  readonly #stop = new AbortController();
  #use: (tls: ServerTls) => void = () => {};
  #reading: Promise<unknown> = Promise.resolve();

  private constructor({ clientAuth, ...files }: Config['serverTlsConfig'], parts: Parts) {
    this.#parts = parts;
    this.#path = files.cert;
    const broken = 'the new certificates of the server cannot be used: the old ones are used on';
    this.#files = new FollowedFiles({
      files: [files.cert, files.key, files.ca].filter((path) => path !== ''),
      make: async () => {
        const { cert = '', key = '', ca } = await readTlsFiles(files);
        const tls = { cert, key, ca, clientAuth };
        this.#use(tls);
        return tls;
      },
      onBroken: (error) => parts.log.error({ err: error }, broken),
      clock: parts.clock,
    });
  }

  /** Undefined: the server is plain HTTP. Throws an Error that names the key below `at`, before anything listens. */
  static async open(
    { serverTlsConfig }: Pick<Config, 'serverTlsConfig'>,
    parts: Parts,
    at = 'serverTlsConfig',
  ): Promise<ServerCertificates | undefined> {
    if (serverTlsConfig.cert === '') return undefined;
    const certificates = new ServerCertificates(serverTlsConfig, parts);
    try {
      await certificates.#files.check();
      return certificates;
    } catch (cause) {
      if (!(cause instanceof TlsFileError)) throw cause;
      throw new Error(`${at}.${cause.key}: ${cause.message}`, { cause });
    }
  }

  get tls(): ServerTls {
    const { made } = this.#files;
    if (made === undefined) throw new Error('certificates are read before they are used');
    return made;
  }

  /** Hands on what has changed, until it is disposed of. */
  renew(use: (tls: ServerTls) => void): AsyncDisposable {
    this.#use = (tls) => {
      use(tls);
      this.#parts.log.info({ cert: this.#path }, 'the certificates of the server were read again');
    };
    const watching = this.#watch();
    return {
      [Symbol.asyncDispose]: async () => {
        this.#stop.abort();
        this.#use = () => {};
        await watching;
      },
    };
  }

  /** At once, whether the files look changed or not. */
  readAgain(): void {
    this.#reading = this.#reading.then(async () => await this.#files.check(true));
  }

  async #watch(): Promise<void> {
    while (await this.#isNextCheck()) {
      this.#reading = this.#reading.then(async () => await this.#files.check());
      // The stop does not wait for files.
      await abortable(this.#reading, this.#stop.signal).catch(() => undefined);
    }
  }

  /** After ten seconds. False: it is over. */
  async #isNextCheck(): Promise<boolean> {
    const { signal } = this.#stop;
    await this.#parts.clock.sleep(checkEveryMs, signal).catch(() => undefined);
    return !signal.aborted;
  }
}
