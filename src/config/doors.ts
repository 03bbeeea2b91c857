import type { Config } from './schema.ts';

/** What clients may show, as `auth` calls it. */
export type CredentialKind = 'basic' | 'tokenService' | 'oauth' | 'issuers';

/** Where clients come in: `port`, and each of `listeners`. */
interface Door {
  /** As the configuration calls it. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly serve: 'registry' | 'token' | 'files';
  readonly hasTls: boolean;
  /** Nobody comes in without a certificate. */
  readonly asksForCertificates: boolean;
  /** What of `auth` is taken there. */
  readonly kinds: ReadonlySet<CredentialKind>;
  /** Are passwords shown there that clients have elsewhere (`authorization: passThrough`)? */
  readonly passesPasswords: boolean;
}

export function doorsOf(config: Config): readonly Door[] {
  const { host, port, serverTlsConfig, auth, listeners, registries } = config;
  const passes = registries.some(({ authorization }) => authorization === 'passThrough');
  const first: Door = {
    ...{ name: 'port', host, port, serve: 'registry', ...tlsOf(serverTlsConfig) },
    kinds: kindsOf(auth, auth?.atPort),
    passesPasswords: passes,
  };
  const others = listeners.map(
    (listener, at): Door => ({
      ...{ name: `listeners[${at}]`, host: listener.host, port: listener.port, serve: listener.serve },
      ...tlsOf(listener.tls),
      kinds: kindsOf(auth, listener.auth),
      passesPasswords: passes && listener.serve === 'registry' && listener.auth?.length !== 0,
    }),
  );
  return [first, ...others];
}

/** Is there a limit of how often clients ask, at any of the doors? */
export function isLimited({ rateLimit, listeners }: Pick<Config, 'rateLimit' | 'listeners'>): boolean {
  return rateLimit !== undefined || listeners.some((listener) => listener.rateLimit !== undefined);
}

/** In the order in which they are taken. */
export function configuredKinds(auth: Config['auth']): readonly CredentialKind[] {
  const found: readonly [CredentialKind, boolean][] = [
    ['basic', auth?.basic !== undefined],
    ['tokenService', auth?.tokenService !== undefined],
    ['oauth', auth?.oauth !== undefined],
    ['issuers', (auth?.issuers ?? []).length > 0],
  ];
  return found.flatMap(([kind, isThere]) => (isThere ? [kind] : []));
}

function tlsOf(
  tls: Pick<Config['serverTlsConfig'], 'cert' | 'clientAuth'> | undefined,
): Pick<Door, 'hasTls' | 'asksForCertificates'> {
  return {
    hasTls: tls !== undefined && tls.cert !== '',
    asksForCertificates: tls?.clientAuth === 'verify',
  };
}

function kindsOf(
  auth: Config['auth'],
  taken: readonly CredentialKind[] | undefined,
): ReadonlySet<CredentialKind> {
  return new Set(configuredKinds(auth).filter((kind) => taken?.includes(kind) !== false));
}
