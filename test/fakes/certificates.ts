import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files in PEM. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate authority made for one test run by openssl; its files go with it. */
export class TestAuthority implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), 'ociregistry-ca-')));
    await authority.#certificate('ca', [
      '-subj',
      '/CN=test authority',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    ]);
    return authority;
  }

  get caFile(): string {
    return join(this.#directory, 'ca.crt');
  }

  /** For names as openssl writes them: `DNS:localhost,IP:127.0.0.1`. `expired`: since yesterday. */
  async issue(
    name: string,
    subjectAltName: string,
    { subject = `/CN=${name}`, expired = false } = {},
  ): Promise<KeyPair> {
    const by = ['-CA', this.caFile, '-CAkey', join(this.#directory, 'ca.key')];
    const pair = await this.#certificate(name, [
      ...['-subj', subject, '-addext', `subjectAltName=${subjectAltName}`],
      ...['-addext', 'basicConstraints=critical,CA:FALSE', ...by],
    ]);
    if (expired) await this.#expire(pair, subject, by);
    return pair;
  }

  /** A file with these bytes beside the others. */
  async file(name: string, text: string): Promise<string> {
    const path = join(this.#directory, name);
    await writeFile(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }

  /** `openssl req` makes none of the past. */
  async #expire({ certFile, keyFile }: KeyPair, subject: string, by: readonly string[]): Promise<void> {
    const asked = `${certFile}.csr`;
    await run('openssl', ['req', '-new', '-key', keyFile, '-subj', subject, '-out', asked]);
    await run('openssl', ['x509', '-req', '-days', '-1', '-in', asked, ...by, '-out', certFile]);
  }

  async #certificate(name: string, options: readonly string[]): Promise<KeyPair> {
    const pair = {
      certFile: join(this.#directory, `${name}.crt`),
      keyFile: join(this.#directory, `${name}.key`),
    };
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', pair.keyFile];
    await run('openssl', ['req', '-x509', '-days', '2', ...key, '-out', pair.certFile, ...options]);
    return pair;
  }
}

/** What a TLS server needs of a pair. */
export async function serverKeys({ certFile, keyFile }: KeyPair): Promise<{ cert: Buffer; key: Buffer }> {
  return { cert: await readFile(certFile), key: await readFile(keyFile) };
}
