import { inspect } from 'node:util';
import { type Credential, type CredentialProvider, staticCredentials } from '#src/credentials/credentials.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { FakeUpstream } from './fake-upstream.ts';
import { bytes, type Image, putImage } from './images.ts';
import { someNames } from './names.ts';
import { openUpstream } from './open-upstream.ts';
import { mark, secret } from './secrets.ts';
import { type Answer, type Fault, json, type LoggedRequest } from './upstream-answers.ts';

export interface Imitation {
  /** As a known registry is called; the port is added. */
  readonly name?: string;
  readonly repository?: string;
  readonly credential?: Credential;
  readonly credentials?: CredentialProvider;
  /** What the token server says. Default: tokens `t1`, `t2`, … */
  readonly tokens?: (request: LoggedRequest, count: number) => Answer;
}

/**
 * The real client in front of a registry that behaves as a known one is known to, with its token server and the store that it
 * redirects blobs to, over real HTTP. What reached any of the three stands in one list.
 */
export class ImitatedRegistry implements AsyncDisposable {
  /** `registry GET /v2/a/manifests/v1 -`: where, what, and by whom: `-`, `Bearer t1`, `user:password`. */
  readonly calls: string[] = [];
  readonly registry: FakeUpstream;
  readonly tokens: FakeUpstream;
  readonly store: FakeUpstream;
  readonly client: Registry & AsyncDisposable;
  readonly repository: RepositoryName;
  readonly image: Image;
  readonly layer = bytes(1000);
  #granted = 0;

  private constructor(
    [registry, tokens, store]: readonly [FakeUpstream, FakeUpstream, FakeUpstream],
    options: Imitation,
  ) {
    [this.registry, this.tokens, this.store] = [registry, tokens, store];
    this.repository = registry.repository(options.repository ?? 'team/app');
    this.image = putImage(registry.content, this.repository, 'v1', [this.layer]);
    store.content.putBlob(store.repository(options.repository ?? 'team/app'), this.layer);
    for (const [where, server] of Object.entries({ registry, tokens, store }))
      server.faults.push((request, next) => {
        this.calls.push(`${where} ${callOf(request)} ${whoIn(request)}`);
        return next();
      });
    const answer = options.tokens ?? (() => this.grant());
    tokens.faults.push((request) => answer(request, tokens.requests.length));
    const { name, credential, credentials } = options;
    this.client = openUpstream(
      {
        host: parseRegistryHost(name === undefined ? registry.host : `${name}:${registry.port}`),
        origin: 'http:',
      },
      {
        credentials: credentials ?? (credential && staticCredentials(credential)),
        names: someNames({ resolve: async () => [{ address: '127.0.0.1', family: 4 }] }),
      },
    );
  }

  static async start(options: Imitation = {}): Promise<ImitatedRegistry> {
    const start = async () => await FakeUpstream.start();
    return new ImitatedRegistry([await start(), await start(), await start()], options);
  }

  /** How the registry behaves, the outermost first. */
  behaves(...faults: Fault[]): void {
    this.registry.faults.push(...faults);
  }

  /** The next token: `t1`, `t2`, … */
  grant(more: Readonly<Record<string, unknown>> = { expires_in: 300 }): Answer {
    this.#granted += 1;
    return json({ token: secret(`t${this.#granted}`), ...more });
  }

  /** Where the token server is; paths of the registry’s choice. */
  realm(path: string): string {
    return `${this.tokens.origin}${path}`;
  }

  /** Gets the manifest: `ok`, or status and code. */
  async pull(reference = 'v1'): Promise<string> {
    return await outcomeOf(this.client.getManifest(this.repository, parseTag(reference)));
  }

  async resolve(reference = 'v1'): Promise<string> {
    return await outcomeOf(this.client.resolveManifest(this.repository, parseTag(reference)));
  }

  /** Gets the layer and reads it. */
  async pullBlob(): Promise<string> {
    const [layer] = this.image.layers;
    if (layer === undefined) throw new Error('no layer');
    return await outcomeOf(this.#read(layer.digest));
  }

  async #read(digest: Image['manifest']['digest']): Promise<void> {
    await using reader = await this.client.getBlob(this.repository, digest);
    const chunks = await Array.fromAsync(reader.body);
    if (!Buffer.concat(chunks).equals(this.layer)) throw new Error('other bytes');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [this.client, this.registry, this.tokens, this.store])
      await part[Symbol.asyncDispose]();
  }
}

/** 401 with a challenge; several are one header each. */
export function challenge(text: string, status = 401): Answer {
  return json({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }, status, {
    'WWW-Authenticate': text,
  });
}

/** Lets those pass whose Authorization satisfies, and has an answer for all others. `who` as in the calls. */
export function wants(satisfies: (who: string) => boolean, otherwise: (who: string) => Answer): Fault {
  return async (request, next) => {
    const who = whoIn(request);
    return satisfies(who) ? await next() : otherwise(who);
  };
}

export function isBearer(who: string): boolean {
  return who.startsWith('Bearer ');
}

/** Without the mark of secrets, which is on all of them. */
function whoIn({ headers: { authorization = '-' } }: LoggedRequest): string {
  const [scheme = '', encoded = ''] = authorization.split(' ');
  const who = scheme === 'Basic' ? Buffer.from(encoded, 'base64').toString('utf8') : authorization;
  return who.replaceAll(mark, '');
}

function callOf({ method, path, query, body }: LoggedRequest): string {
  const asked = body === '' ? query : ` ${body}`;
  return decodeURIComponent(`${method} ${path}${asked}`.replaceAll('+', ' ')).replaceAll(mark, '');
}

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof RegistryError) return `${error.status} ${error.code}`;
    throw new Error(inspect(error));
  }
}
