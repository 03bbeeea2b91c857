import type * as z from 'zod';
import { dockerHub, isDockerHub } from '../oci/docker-hub.ts';
import { pathText } from './path-text.ts';
import { optionProblems } from './provider-options.ts';
import type { Path } from './schema-tree.ts';

/**
 * Rules between keys. They run whether or not the keys themselves are right, so that all mistakes are told at
 * once: hence they look at what is there, which may be anything.
 */
export interface Found {
  readonly path: Path;
  readonly message: string;
}

const always = { when: () => true } as const;

/** A certificate needs its key, and a key its certificate. */
export function keyPair<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ cert, key }) => {
    if (given(cert) === given(key)) return [];
    const [present, missing] = given(cert) ? ['cert', 'key'] : ['key', 'cert'];
    return [{ path: [present], message: `has no effect without ${missing}` }];
  });
}

/** An account is nobody without its password. */
export function withPassword<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ user, password, passwordFromEnv, passwordFile }) =>
    !given(user) || [password, passwordFromEnv, passwordFile].some(given)
      ? []
      : [{ path: ['user'], message: 'needs passwordFromEnv or passwordFile' }],
  );
}

/** Nobody is believed without one. */
export function withSecret<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ secret, secretFromEnv, secretFile }) =>
    [secret, secretFromEnv, secretFile].some(given)
      ? []
      : [{ path: [], message: 'needs secretFromEnv or secretFile' }],
  );
}

/** What waits for an endpoint waits once. */
export function distinctEndpoints<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const urls = Array.isArray(value) ? value.map((item) => record(item)['url']) : [];
    return urls.flatMap((url, index) =>
      given(url) && urls.indexOf(url) < index ? [{ path: [index, 'url'], message: 'is there twice' }] : [],
    );
  });
}

/** A password is nobody's without a user. */
export function ofAUser<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ user, ...keys }) => {
    const present = ['password', 'passwordFromEnv', 'passwordFile'].find((name) => given(keys[name]));
    return present === undefined || given(user) ? [] : [{ path: [present], message: 'needs user' }];
  });
}

/** Where each client shows a password of his own nothing else says who we are, and nobody but the registry says who may. */
export function ownPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ authorization, auth, endpoints }) => {
    if (authorization !== 'passThrough') return [];
    const ours = ourCredentials(record(auth)).map((path) => ({
      path: ['auth', ...path],
      message:
        'is of no use with authorization: passThrough, where each client shows his own: take one of the two out',
    }));
    const mirrors = Array.isArray(endpoints) && endpoints.length > 0;
    return mirrors
      ? [
          ...ours,
          {
            path: ['endpoints'],
            message:
              'cannot be used with authorization: passThrough: what a mirror gives says nothing of who may have it',
          },
        ]
      : ours;
  });
}

/** The keys that say who we are. */
function ourCredentials({ token, accounts, ...keys }: Readonly<Record<string, unknown>>): Path[] {
  const { provider, ...secrets } = record(token);
  const found: Path[] = ['user', 'password', 'passwordFromEnv', 'passwordFile'].flatMap((name) =>
    given(keys[name]) ? [[name]] : [],
  );
  const ofToken = ['static', 'staticFromEnv', 'staticFile'].filter((name) => given(secrets[name]));
  if (given(provider)) ofToken.push('provider');
  const further: Path[] = Array.isArray(accounts) && accounts.length > 0 ? [['accounts']] : [];
  return [...found, ...ofToken.map((name) => ['token', name]), ...further];
}

/**
 * The password that a client shows is one: the door's own, or the registry's behind it. And a registry that is never asked lets nobody in.
 */
export function oneMeaningOfPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ registries, auth, airGapped }) => {
    const passing = (Array.isArray(registries) ? registries : []).flatMap((registry, at) =>
      record(registry)['authorization'] === 'passThrough' ? [at] : [],
    );
    const why =
      auth !== undefined && auth !== null
        ? 'passThrough takes the header Authorization for the registry, where auth takes it for this server: take one of the two out, or run a second server'
        : airGapped === true
          ? 'passThrough asks the registry for each client, and airGapped asks nobody: take one of the two out'
          : undefined;
    return why === undefined
      ? []
      : passing.map((at) => ({ path: ['registries', at, 'authorization'], message: why }));
  });
}

/** The server's own TLS: what asks clients for certificates is nothing without TLS, or without their certificate authority. */
export function serverTls<S extends z.ZodType>(schema: S): S {
  return checked(keyPair(schema), ({ cert, key, ca, clientAuth }) => {
    if (clientAuth !== 'verify') return [];
    if (!given(cert) && !given(key)) return [{ path: ['clientAuth'], message: 'verify needs cert and key' }];
    return given(ca) ? [] : [{ path: ['clientAuth'], message: 'verify needs ca' }];
  });
}

/** One port of an address is for one listener; 0 is any, or none. */
export function distinctPorts<S extends z.ZodType>(schema: S): S {
  return checked(schema, (config) => {
    const doors = doorsOf(config);
    return doors.flatMap(({ path, host, port }, index) => {
      const other = doors.slice(0, index).find((door) => door.port === port && areOne(door.host, host));
      return other === undefined || port === undefined || port === 0
        ? []
        : [{ path, message: `${String(port)} is the same port as that of ${pathText(other.path)}` }];
    });
  });
}

interface Door {
  readonly path: (string | number)[];
  readonly host: unknown;
  readonly port: unknown;
}

function doorsOf(config: Readonly<Record<string, unknown>>): Door[] {
  const { host = everywhere, listeners } = config;
  const own = ['port', 'health', 'metrics'].map((name): Door => ({ path: [name], host, port: config[name] }));
  const others = (Array.isArray(listeners) ? listeners : []).map((item, index): Door => {
    const { host: at = everywhere, port } = record(item);
    return { path: ['listeners', index, 'port'], host: at, port };
  });
  return [...own, ...others];
}

const everywhere = '0.0.0.0';

function areOne(one: unknown, other: unknown): boolean {
  return one === other || [one, other].some((host) => host === everywhere || host === '::');
}

/** Files are somewhere. */
export function withDirectory<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ serve, directory }) =>
    serve === 'files' && !given(directory) ? [{ path: ['serve'], message: 'files needs directory' }] : [],
  );
}

/** The original documents `dryRun` and reads `dryrun`. */
export function oneSpelling<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ dryRun, dryrun }) =>
    dryRun !== undefined && dryrun !== undefined && dryRun !== dryrun
      ? [{ path: ['dryrun'], message: 'says something else than dryRun' }]
      : [],
  );
}

/** No pattern is every image. */
export function pruningOfSomething<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ enabled, type, expr }) =>
    enabled === true && type === 'pattern' && !given(expr)
      ? [{ path: ['type'], message: 'pattern needs expr' }]
      : [],
  );
}

/** A provider of tokens takes its own options and no others. */
export function knownOptions<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ provider, providerOpts }) =>
    optionProblems(provider, providerOpts).map(({ path, message }) => ({
      path: ['providerOpts', ...path],
      message,
    })),
  );
}

/** No registry twice, no alias twice, and no alias that is a registry's name. */
export function distinctRegistries<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const registries = Array.isArray(value) ? value.map(record) : [];
    const names = registries.map(({ name }) => canonical(name));
    const aliases = registries.map(({ alias }) => (given(alias) ? alias : undefined));
    return registries.flatMap((_, index) => [
      ...clash([index, 'name'], names[index], names.slice(0, index)),
      ...clash([index, 'alias'], aliases[index], [...aliases.slice(0, index), ...names]),
    ]);
  });
}

/** No user of a registry twice: their quotas would be one. */
export function distinctAccounts<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ user, accounts }) => {
    const others = Array.isArray(accounts) ? accounts.map((account) => record(account)['user']) : [];
    return others.flatMap((name, index) =>
      given(name) && [user, ...others.slice(0, index)].includes(name)
        ? [{ path: ['accounts', index, 'user'], message: `${JSON.stringify(name)} is already an account` }]
        : [],
    );
  });
}

/** A registry is no mirror of itself. */
export function otherEndpoints<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ name, scheme = 'https', endpoints }) => {
    const own = originOf(`${String(scheme).toLowerCase()}://${String(name)}`);
    return (Array.isArray(endpoints) ? endpoints : []).flatMap((endpoint, index) =>
      own !== undefined && own === originOf(endpoint)
        ? [
            {
              path: ['endpoints', index],
              message: 'is the registry itself, which is asked after its mirrors anyway',
            },
          ]
        : [],
    );
  });
}

/** With the path where there is one: a registry may hold mirrors of itself under others of its names. */
function originOf(url: unknown): string | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol, host, pathname } = new URL(url);
  return /^\/(?:v2\/?)?$/.test(pathname) ? `${protocol}//${String(canonical(host))}` : undefined;
}

/** Counts that are shared are somewhere. */
export function withUrl<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ kind, url, urlFromEnv, urlFile }) =>
    kind === 'redis' && ![url, urlFromEnv, urlFile].some(given)
      ? [{ path: ['kind'], message: 'redis needs urlFromEnv or urlFile' }]
      : [],
  );
}

/** A name without a host, and no tag behind it: what looks otherwise matches nothing. */
export function hostedNames<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ repositories }) =>
    textsOf(repositories).flatMap((glob, index) => {
      const [first = ''] = glob.split('/', 1);
      if (glob.includes(':'))
        return [{ path: ['repositories', index], message: 'is a glob of names: no tag, and no port' }];
      return first.includes('.') || first === 'localhost'
        ? [
            {
              path: ['repositories', index],
              message: `begins with a host (${first}): what lives here has none`,
            },
          ]
        : [];
    }),
  );
}

/** An alias is what a name begins with, before anything lives here. */
export function reachableHosted<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ hosted, registries }) => {
    const aliases = new Set(
      (Array.isArray(registries) ? registries : [])
        .map((registry) => record(registry)['alias'])
        .filter(given),
    );
    return (Array.isArray(hosted) ? hosted : []).flatMap((entry, at) =>
      textsOf(record(entry)['repositories']).flatMap((glob, index) => {
        const [first = '', ...rest] = glob.split('/');
        return rest.length > 0 && aliases.has(first)
          ? [
              {
                path: ['hosted', at, 'repositories', index],
                message: `${first} is the alias of a registry: a name that begins so is that registry's`,
              },
            ]
          : [];
      }),
    );
  });
}

/** Who asks for who clients are has some way to know them. */
export function ofSomeKind<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ basic, tokenService, oauth, issuers }) => {
    const isEmpty = [basic, tokenService, oauth].every((kind) => kind === undefined || kind === null);
    return isEmpty && (!Array.isArray(issuers) || issuers.length === 0)
      ? [{ path: [], message: 'needs basic, tokenService, oauth or issuers: else nobody could ever come in' }]
      : [];
  });
}

/** Tokens of the token service are had with a password. */
export function withPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ basic, tokenService }) =>
    given(tokenService) && !given(basic)
      ? [{ path: ['tokenService'], message: 'needs auth.basic: its tokens are had with a password' }]
      : [],
  );
}

/** Clients are sent to its token service by the URL under which they know it. */
export function reachableTokenService<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ auth, publicUrl }) =>
    given(record(auth)['tokenService']) && !given(publicUrl)
      ? [{ path: ['auth', 'tokenService'], message: 'needs publicUrl: there clients are sent for tokens' }]
      : [],
  );
}

/** Who takes at a door what nobody can have takes nothing: that is said by an empty list. */
export function knownAtDoors<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ auth: found, listeners }) => {
    const auth = record(found);
    const ofListeners = (Array.isArray(listeners) ? listeners.map(record) : []).flatMap((listener, at) =>
      listenerProblems(listener, auth).map(({ path, message }) => ({
        path: ['listeners', at, ...path],
        message,
      })),
    );
    return [...absentKinds(auth['atPort'], ['auth', 'atPort'], auth), ...ofListeners];
  });
}

function listenerProblems(
  { serve, auth: kinds, rateLimit }: Readonly<Record<string, unknown>>,
  auth: Readonly<Record<string, unknown>>,
): Found[] {
  if (serve === 'files')
    return Object.entries({ auth: kinds, rateLimit }).flatMap(([key, value]) =>
      given(value)
        ? [{ path: [key], message: 'files are given to whoever asks: this would keep nobody out' }]
        : [],
    );
  const absent = absentKinds(kinds, ['auth'], auth);
  const issues = ['tokenService', 'oauth'].some(
    (kind) => isThere(auth[kind]) && (!Array.isArray(kinds) || kinds.includes(kind)),
  );
  return serve === 'token' && !issues
    ? [...absent, { path: ['serve'], message: 'token needs auth.tokenService or auth.oauth' }]
    : absent;
}

/** Those of `kinds` that `auth` has not. */
function absentKinds(kinds: unknown, path: Path, auth: Readonly<Record<string, unknown>>): Found[] {
  return textsOf(kinds).flatMap((kind, index) =>
    isThere(auth[kind]) ? [] : [{ path: [...path, index], message: `needs auth.${kind}` }],
  );
}

function isThere(value: unknown): boolean {
  return given(value) && value !== null && !(Array.isArray(value) && value.length === 0);
}

export function distinctClients<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const ids = Array.isArray(value) ? value.map((item) => record(item)['id']) : [];
    return ids.flatMap((id, index) =>
      given(id) && ids.indexOf(id) < index ? [{ path: [index, 'id'], message: 'is there twice' }] : [],
    );
  });
}

export function signedWithASecret<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ algorithm, secret, secretFromEnv, secretFile }) => {
    const isThere = [secret, secretFromEnv, secretFile].some(given);
    if (algorithm === 'HS256' && !isThere)
      return [{ path: ['algorithm'], message: 'HS256 needs secretFromEnv or secretFile' }];
    return algorithm === 'ES256' && isThere
      ? [{ path: ['algorithm'], message: 'ES256 is signed with a key, and not with a secret' }]
      : [];
  });
}

/** An issuer without a URL has no OpenID configuration. */
export function ofKeysOfAnIssuer<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ issuer, jwksUrl, keyFile }) => {
    if (given(jwksUrl) && given(keyFile))
      return [{ path: ['keyFile'], message: 'has no effect beside jwksUrl' }];
    const isUrl = typeof issuer === 'string' && /^https?:/.test(issuer) && URL.canParse(issuer);
    return given(issuer) && !isUrl && !given(jwksUrl) && !given(keyFile)
      ? [{ path: ['issuer'], message: 'is no URL where keys could be found: jwksUrl or keyFile is needed' }]
      : [];
  });
}

/** What one issuer says is one list of names: read by two claims, somebody could be called there as somebody else here. */
export function oneReading<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const issuers = Array.isArray(value) ? value.map(record) : [];
    return issuers.flatMap(({ issuer, ...keys }, index) => {
      const first = issuers.slice(0, index).find((other) => given(issuer) && other['issuer'] === issuer);
      return ['subjectClaim', 'groupsClaim'].flatMap((key) =>
        first === undefined || first[key] === keys[key]
          ? []
          : [{ path: [index, key], message: 'is another than that of the same issuer before it' }],
      );
    });
  });
}

export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map((item) => (typeof item === 'string' ? item : '')) : [];
}

function clash(path: (string | number)[], name: unknown, others: readonly unknown[]): Found[] {
  if (name === undefined || !others.includes(name)) return [];
  return [{ path, message: `${JSON.stringify(name)} is already the name or alias of a registry` }];
}

function canonical(name: unknown): unknown {
  if (typeof name !== 'string') return undefined;
  const host = name.toLowerCase();
  return isDockerHub(host) ? dockerHub : host;
}

export function checked<S extends z.ZodType>(
  schema: S,
  find: (value: Readonly<Record<string, unknown>>) => readonly Found[],
): S {
  return schema.superRefine((value, context) => {
    for (const { path, message } of find(record(value))) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  }, always);
}

export function given(value: unknown): boolean {
  return value !== undefined && value !== '';
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
