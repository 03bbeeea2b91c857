import { homedir } from 'node:os';
import { join } from 'node:path';
import { RegistryError } from '../../../oci/error.ts';
import type { RegistryHost } from '../../../oci/reference.ts';
import {
  anonymous,
  type Credential,
  type CredentialProvider,
  type ProvidedCredential,
  type ProvideOptions,
} from '../credentials.ts';
import { RefreshingCredentials, type RefreshingSettings } from '../refreshing-credentials.ts';
import { entryFor, serverUrlOf } from './docker-config.ts';
import { execSource } from './exec.ts';
import { WatchedFile } from './watched-file.ts';

export interface DockerConfigSettings extends Omit<RefreshingSettings, 'source'> {
  readonly host: RegistryHost;
  /** A file, or a folder with one, such as a mounted secret. Default: where Docker, Podman and their kin keep theirs. */
  readonly path?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** What the file says, and where it says it. */
type Found = { readonly from: string } & ({ readonly credential: Credential } | { readonly helper: string });

const fileNames = ['config.json', '.dockerconfigjson', '.dockercfg', 'auth.json'];

/** Docker's config.json and its kin, with the credential helpers that it names. Read again after a change. */
export class DockerConfigCredentials implements CredentialProvider, AsyncDisposable {
  readonly name = 'dockerConfig';
  readonly #settings: DockerConfigSettings;
  readonly #file: WatchedFile<Found>;
  readonly #helpers = new Map<string, RefreshingCredentials>();

  constructor(settings: DockerConfigSettings) {
    this.#settings = settings;
    const { path, env, clock, log } = settings;
    const paths = path === undefined ? usualPaths(env) : [path, ...fileNames.map((name) => join(path, name))];
    const parse = (text: string, file: string) => this.#entryIn(text, file);
    this.#file = new WatchedFile({ who: this.name, paths, parse, clock, log });
  }

  async get(options: ProvideOptions = {}): Promise<ProvidedCredential> {
    const entry = await this.#file.get();
    return 'helper' in entry
      ? { ...(await this.#helper(entry.helper).get(options)), from: entry.from }
      : entry;
  }

  async renew(refused: Credential, options: ProvideOptions = {}): Promise<boolean> {
    try {
      const entry = await this.#file.get({ now: true });
      return 'helper' in entry
        ? await this.#helper(entry.helper).renew(refused, options)
        : entry.credential !== refused;
    } catch {
      options.signal?.throwIfAborted();
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#helpers.values().map(async (helper) => await helper[Symbol.asyncDispose]()));
  }

  #entryIn(text: string, file: string): Found {
    const { host, log } = this.#settings;
    try {
      const entry = entryFor(host, text);
      if (entry !== undefined) {
        const { key, ...rest } = entry;
        return { ...rest, from: `${file}, ${JSON.stringify(key)}` };
      }
      log.warn({ file }, `${this.name}: no entry for ${host}: it is asked without credentials`);
      return { credential: anonymous, from: `${file}, which has no entry for ${host}` };
    } catch {
      // The parser's message quotes the text.
      throw new RegistryError(
        'DENIED',
        `${this.name}: ${JSON.stringify(file)} is not JSON as Docker writes it`,
      );
    }
  }

  #helper(name: string): RefreshingCredentials {
    const known = this.#helpers.get(name);
    if (known !== undefined) return known;
    const { host, env, clock } = this.#settings;
    const command = `docker-credential-${name}`;
    const source = execSource({ command, serverUrl: serverUrlOf(host), env, clock });
    const made = new RefreshingCredentials({ ...this.#settings, source });
    this.#helpers.set(name, made);
    return made;
  }
}

function usualPaths(env: NodeJS.ProcessEnv): string[] {
  const home = env['HOME'] || homedir();
  const { DOCKER_CONFIG: docker, REGISTRY_AUTH_FILE: file, XDG_RUNTIME_DIR: runtime } = env;
  return [
    docker ? join(docker, 'config.json') : join(home, '.docker/config.json'),
    ...(file ? [file] : []),
    ...(runtime ? [join(runtime, 'containers/auth.json')] : []),
    join(home, '.config/containers/auth.json'),
  ];
}
