import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { RegistryError } from '../../oci/error.ts';
import type { RegistryHost } from '../../oci/reference.ts';
import { word } from '../../values/text.ts';
import {
  anonymous,
  type Credential,
  type CredentialProvider,
  type ProvidedCredential,
  type ProvideOptions,
} from '../credentials.ts';
import { RefreshingCredentials, type RefreshingSettings } from '../refreshing-credentials.ts';
import { type DockerConfigEntry, type DockerConfigSource, entriesFor, entryOf } from './docker-config.ts';
import { execSource } from './exec.ts';
import { homeDirectory } from './home-directory.ts';
import { provider } from './provider.ts';
import { WatchedFile } from './watched-file.ts';

export const dockerConfig = provider({
  name: 'dockerConfig',
  options: z.strictObject({ path: word() }),
  open: (options, parts) => new DockerConfigCredentials({ ...parts, ...options }),
  reads: ({ path }) => path,
});

export interface DockerConfigSettings extends Omit<RefreshingSettings, 'source'> {
  readonly host: RegistryHost;
  /** A file, or a folder with one, such as a mounted secret. Default: where Docker, Podman and their kin keep theirs. */
  readonly path?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** What a file says of the registry. */
interface Entries {
  readonly file: string;
  readonly entries: readonly DockerConfigEntry[];
}

/** Who we are where the file says nothing. */
const noSource: DockerConfigSource = { credential: anonymous };
export const fileNames = ['config.json', '.dockerconfigjson', '.dockercfg', 'auth.json'];

/**
 * Docker's config.json and its kin, with the credential helpers that it names. Read again after a change. Each of its entries is
 * an identity of its own; without a repository that of the whole registry is meant.
 */
export class DockerConfigCredentials implements CredentialProvider, AsyncDisposable {
  readonly name = 'dockerConfig';
  readonly #settings: DockerConfigSettings;
  readonly #file: WatchedFile<Entries>;
  readonly #identities = new Map<string, CredentialProvider>();
  readonly #helpers = new Map<string, RefreshingCredentials>();

  constructor(settings: DockerConfigSettings) {
    this.#settings = settings;
    const { path, env, clock, log } = settings;
    const paths = path === undefined ? usualPaths(env) : [path, ...fileNames.map((name) => join(path, name))];
    const parse = (text: string, file: string) => this.#entriesIn(text, file);
    this.#file = new WatchedFile({ who: this.name, paths, parse, clock, log });
  }

  async of(repository: string): Promise<CredentialProvider> {
    const { entries } = await this.#file.get();
    const id = entryOf(entries, repository)?.id;
    return this.#identity(id ?? '');
  }

  async get(options: ProvideOptions = {}): Promise<ProvidedCredential> {
    return await (await this.of('')).get(options);
  }

  async renew(refused: Credential, options: ProvideOptions = {}): Promise<boolean> {
    const identity = await this.of('').catch(() => undefined);
    return (await identity?.renew?.(refused, options)) ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#helpers.values().map(async (helper) => await helper[Symbol.asyncDispose]()));
  }

  /** An entry stays itself while the file changes around it, and what it says. */
  #identity(id: string): CredentialProvider {
    const known = this.#identities.get(id);
    if (known !== undefined) return known;
    const made: CredentialProvider = {
      name: this.name,
      get: async (options) => {
        const { source, from } = await this.#source(id);
        const provided = 'helper' in source ? await this.#helper(source).get(options) : source;
        return { ...provided, from };
      },
      renew: async (refused, options = {}) => {
        try {
          const { source } = await this.#source(id, { now: true });
          return 'helper' in source
            ? await this.#helper(source).renew(refused, options)
            : !isDeepStrictEqual(source.credential, refused);
        } catch {
          options.signal?.throwIfAborted();
          return false;
        }
      },
    };
    this.#identities.set(id, made);
    return made;
  }

  async #source(id: string, options: { now?: boolean } = {}) {
    const { file, entries } = await this.#file.get(options);
    const source = entries.find((entry) => entry.id === id)?.source;
    const from = source === undefined ? `${file}, which has no entry for it` : `${file}, ${id}`;
    return { source: source ?? noSource, from };
  }

  #entriesIn(text: string, file: string): Entries {
    const { host, log } = this.#settings;
    try {
      const entries = entriesFor(host, text);
      if (entries.length === 0)
        log.warn({ file }, `${this.name}: no entry for ${host}: it is asked without credentials`);
      return { file, entries };
    } catch {
      // The parser's message quotes the text.
      throw new RegistryError(
        'DENIED',
        `${this.name}: ${JSON.stringify(file)} is not JSON as Docker writes it`,
      );
    }
  }

  #helper({ helper, serverUrl }: { helper: string; serverUrl: string }): RefreshingCredentials {
    const key = `${helper} ${serverUrl}`;
    const known = this.#helpers.get(key);
    if (known !== undefined) return known;
    const { env, clock, log } = this.#settings;
    const source = execSource({ command: `docker-credential-${helper}`, serverUrl, env, clock, log });
    const made = new RefreshingCredentials({ ...this.#settings, source });
    this.#helpers.set(key, made);
    return made;
  }
}

function usualPaths(env: NodeJS.ProcessEnv): string[] {
  const home = homeDirectory(env);
  const { DOCKER_CONFIG: docker, REGISTRY_AUTH_FILE: file, XDG_RUNTIME_DIR: runtime } = env;
  return [
    docker ? join(docker, 'config.json') : join(home, '.docker/config.json'),
    ...(file ? [file] : []),
    ...(runtime ? [join(runtime, 'containers/auth.json')] : []),
    join(home, '.config/containers/auth.json'),
  ];
}
