import { isLoopback } from '../../base/loopback.ts';
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

/** How an origin is reached, and by which key or variable. */
export interface Route {
  /** Undefined: directly. */
  readonly proxy: HttpProxy | undefined;
  /** Where that proxy, or the one that is not for this origin, is set; undefined: none is. */
  readonly setIn: string | undefined;
  /** Why it is not for this origin. */
  readonly exception?: string;
}

/** A proxy and where it is set. */
interface NamedProxy {
  readonly name: string;
  readonly proxy: HttpProxy;
}

/**
 * By which proxy an origin is reached. The environment is read as by curl and by Go: names in lower case come first, and its
 * proxies are not for loopback. Metadata services are never asked through a proxy: that would be another machine's.
 */
export class ProxyChoice {
  /** Everything directly. */
  static readonly none = new ProxyChoice({ noProxy: [], env: {} });

  readonly #configured: NamedProxy | undefined;
  readonly #byScheme: Readonly<Record<string, NamedProxy | undefined>>;
  readonly #exceptionsIn: string;
  readonly #noProxy: NoProxy;

  /** Throws an Error that names the variable or key, and not its value. */
  constructor({ proxy, noProxy, env }: ProxyChoiceSettings) {
    this.#configured = proxy === undefined ? undefined : parsed('upstream.proxy', proxy);
    this.#byScheme = {
      'http:': proxyIn(env, 'http_proxy', 'HTTP_PROXY'),
      'https:': proxyIn(env, 'https_proxy', 'HTTPS_PROXY'),
    };
    const inEnv = valueIn(env, 'no_proxy', 'NO_PROXY');
    this.#exceptionsIn = noProxy.length > 0 ? 'upstream.noProxy' : (inEnv?.name ?? 'NO_PROXY');
    this.#noProxy = new NoProxy(noProxy.length > 0 ? noProxy : (inEnv?.value ?? '').split(','));
  }

  of(url: URL): HttpProxy | undefined {
    return this.route(url).proxy;
  }

  route(url: URL): Route {
    const chosen = this.#configured ?? this.#byScheme[url.protocol];
    if (chosen === undefined) return { proxy: undefined, setIn: undefined };
    const exception = this.#exceptionFor(url);
    return exception === undefined
      ? { proxy: chosen.proxy, setIn: chosen.name }
      : { proxy: undefined, setIn: chosen.name, exception };
  }

  #exceptionFor(url: URL): string | undefined {
    const address = knownAddress(url.hostname);
    if (address !== undefined && classifyAddress(address) === 'metadata')
      return 'the address of a cloud’s own services';
    const entry = this.#noProxy.entryFor(url);
    if (entry !== undefined) return `${this.#exceptionsIn} has ${entry}`;
    const isOurs = this.#configured === undefined && address !== undefined && isLoopback(address);
    return isOurs ? 'this machine itself' : undefined;
  }
}

function proxyIn(env: Environment, ...names: readonly string[]): NamedProxy | undefined {
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

function parsed(name: string, text: string): NamedProxy {
  try {
    return { name, proxy: HttpProxy.parse(text) };
  } catch (error) {
    // Without the cause: a URL that cannot be read may be quoted in it.
    throw new Error(`${name}: ${error instanceof Error ? error.message : 'cannot be read'}`);
  }
}
