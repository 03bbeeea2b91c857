import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { makeLayer, pushImage } from './images.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

export interface RegistryOptions {
  /** A directory that outlives the registry. */
  readonly data?: string;
  /** Lines of user and bcrypt hash; then whoever is none of them is asked for a password. */
  readonly htpasswd?: string;
  /** A token server instead; `certificates` in PEM are whose signature is believed. */
  readonly tokens?: TokenServer;
  /** Further keys of its configuration. */
  readonly more?: object;
  /** Files in PEM: then it speaks TLS. */
  readonly tls?: {
    readonly certFile: string;
    readonly keyFile: string;
    /** Then clients must show a certificate of this authority. */
    readonly clientCaFile?: string;
  };
}

export interface TokenServer {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  readonly certificates: string;
}

/** Debian’s docker-registry (distribution 2.8): the upstream. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly #program: Program;
  readonly #resources: AsyncDisposableStack;
  #marks = 0;

  private constructor(host: string, program: Program, resources: AsyncDisposableStack) {
    this.host = host;
    this.#program = program;
    this.#resources = resources;
  }

  static async start({ data, htpasswd, tokens, tls, more }: RegistryOptions = {}): Promise<DockerRegistry> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const settings = join(path, 'config.yml');
    const auth = {
      ...(htpasswd !== undefined && {
        htpasswd: { realm: 'test', path: await fileIn(path, 'htpasswd', htpasswd) },
      }),
      ...(tokens !== undefined && { token: await tokenSettings(path, tokens) }),
    };
    const all = { ...settingsFor(data ?? join(path, 'data'), auth, tls), ...more };
    await writeFile(settings, JSON.stringify(all));
    const program = resources.use(new Program(programOf('docker-registry'), ['serve', settings]));
    const [, host = ''] = await program.line(/listening on (127\.0\.0\.1:\d+)/);
    return new DockerRegistry(host, program, resources.move());
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** One that holds `app:v1`, of one layer, and asks for passwords. */
  static async startWithPasswords(data: string, htpasswd: string): Promise<DockerRegistry> {
    await using open = await DockerRegistry.start({ data });
    const layers = [await makeLayer(data, 'layer', 100_000)];
    await pushImage({ reference: `${open.host}/app:v1`, layers, format: 'oci' });
    return await DockerRegistry.start({ data, htpasswd });
  }

  /** The requests of the program under test since the last call, as `GET /v2/…`, in the order in which they ended. */
  async takeRequests(): Promise<string[]> {
    this.#marks += 1;
    const mark = `/mark-${this.#marks}`;
    await fetch(`${this.url}${mark}`);
    const lines = this.#program.lines;
    await until('the log has caught up', async () => lines.some((line) => line.includes(mark)));
    return lines.splice(0).flatMap((line) => / "([A-Z]+ \S+) HTTP.* "ociregistry\//.exec(line)?.[1] ?? []);
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

async function tokenSettings(path: string, { certificates, ...settings }: TokenServer) {
  return { ...settings, rootcertbundle: await fileIn(path, 'token.crt', certificates) };
}

async function fileIn(directory: string, name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text);
  return join(directory, name);
}

function settingsFor(data: string, auth: object, tls: RegistryOptions['tls']) {
  return {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: data } },
    http: {
      addr: '127.0.0.1:0',
      ...(tls !== undefined && { tls: tlsSettings(tls) }),
    },
    ...(Object.keys(auth).length > 0 && { auth }),
  };
}

function tlsSettings({ certFile, keyFile, clientCaFile }: NonNullable<RegistryOptions['tls']>) {
  return {
    certificate: certFile,
    key: keyFile,
    ...(clientCaFile !== undefined && { clientcas: [clientCaFile] }),
  };
}
