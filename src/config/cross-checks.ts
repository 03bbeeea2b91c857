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
    const urls = listed(value).map(({ url }) => url);
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
  const others = listed(listeners).map(({ host: at = everywhere, port: number }, index): Door => {
    return { path: ['listeners', index, 'port'], host: at, port: number };
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
    const registries = listed(value);
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
    const others = listed(accounts).map((account) => account['user']);
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
      listed(registries)
        .map(({ alias }) => alias)
        .filter(given),
    );
    return listed(hosted).flatMap(({ repositories }, at) =>
      textsOf(repositories).flatMap((glob, index) => {
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

/** The items of a list; none, where it is none. */
export function listed(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(record) : [];
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
