import { classifyAddress, knownAddress } from './address.ts';
import { HttpProxy } from './http-proxy.ts';
import { NoProxy } from './no-proxy.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxyChoiceSettings {
  /** The configured one, for all that is asked. Default: those of the environment. */
  readonly proxy?: string | undefined;
  /** Default: NO_PROXY. */
  readonly noProxy: readonly string[];
  readonly env: Environment;
}

/**
 * By which proxy an origin is reached. The environment is read as by curl and by Go: names in lower case come first, and its
 * proxies are not for loopback. Metadata services are never asked through a proxy: that would be another machine's.
 */
export class ProxyChoice {
  /** Everything directly. */
  static readonly none = new ProxyChoice({ noProxy: [], env: {} });

  readonly #configured: HttpProxy | undefined;
  readonly #byScheme: Readonly<Record<string, HttpProxy | undefined>>;
  readonly #exceptions: readonly string[];
  readonly #noProxy: NoProxy;

  /** Throws an Error that names the variable or key, and not its value. */
  constructor({ proxy, noProxy, env }: ProxyChoiceSettings) {
    this.#configured = proxy === undefined ? undefined : parsed('upstream.proxy', proxy);
    this.#byScheme = {
      'http:': proxyIn(env, 'http_proxy', 'HTTP_PROXY'),
      'https:': proxyIn(env, 'https_proxy', 'HTTPS_PROXY'),
    };
    this.#exceptions =
      noProxy.length > 0 ? noProxy : (valueIn(env, 'no_proxy', 'NO_PROXY')?.value ?? '').split(',');
    this.#noProxy = new NoProxy(this.#exceptions);
  }

  of(url: URL): HttpProxy | undefined {
    const address = knownAddress(url.hostname);
    if (address !== undefined && classifyAddress(address) === 'metadata') return undefined;
    if (this.#noProxy.covers(url)) return undefined;
    if (this.#configured !== undefined) return this.#configured;
    return address !== undefined && isLoopback(address) ? undefined : this.#byScheme[url.protocol];
  }

  /** The same choice as environment variables, for what understands nothing else. Secret. */
  get env(): Record<string, string> {
    const entries = {
      HTTP_PROXY: (this.#configured ?? this.#byScheme['http:'])?.reveal(),
      HTTPS_PROXY: (this.#configured ?? this.#byScheme['https:'])?.reveal(),
      NO_PROXY: this.#exceptions.join(','),
    };
    return Object.fromEntries(
      Object.entries(entries).filter((entry): entry is [string, string] => Boolean(entry[1])),
    );
  }
}

function proxyIn(env: Environment, ...names: readonly string[]): HttpProxy | undefined {
  const found = valueIn(env, ...names);
  return found === undefined ? undefined : parsed(found.name, found.value);
}

function valueIn(env: Environment, ...names: readonly string[]): { name: string; value: string } | undefined {
  for (const name of names) {
    const value = env[name]?.trim();
    if (value) return { name, value };
  }
  return undefined;
}

function parsed(name: string, text: string): HttpProxy {
  try {
    return HttpProxy.parse(text);
  } catch (error) {
    // Without the cause: a URL that cannot be read may be quoted in it.
    throw new Error(`${name}: ${error instanceof Error ? error.message : 'cannot be read'}`);
  }
}

function isLoopback(address: string): boolean {
  return /^127\./.test(address) || address === '::1';
}
