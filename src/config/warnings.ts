import { type CredentialKind, configuredKinds, doorsOf } from './doors.ts';
import type { Config } from './schema.ts';

/** What can be used and is hardly what was meant: one line each, without a secret. */
export function warningsOf(config: Config): string[] {
  return [
    ...halfCredentials(config),
    ...unaskedClients(config),
    ...namelessRegistries(config),
    ...unknownUsers(config),
    ...shortSecrets(config),
    ...untakenKinds(config),
    ...withoutEffect(config),
  ];
}

/**
 * One line for each registry that has a user or a password and not the other: as in the original it is asked anonymously, which is
 * hardly what was meant.
 */
function halfCredentials({ registries }: Config): string[] {
  return registries.flatMap(({ name, auth: { user, password, token, accounts } }) => {
    if (token.static !== undefined || token.provider !== '') return [];
    if ((user === '') === (password === undefined)) return [];
    const [has, lacks] = user === '' ? ['password', 'user'] : ['user', 'password'];
    const by = accounts.length === 0 ? 'anonymously' : 'by auth.accounts alone';
    return [`registries: ${name} has a ${has} and no ${lacks}, and is asked ${by}`];
  });
}

/** Whoever names who signs clients' certificates wants them to be asked for; as in the original they are only with `verify`. */
function unaskedClients({ serverTlsConfig, listeners }: Config): string[] {
  const doors = [
    { at: 'serverTlsConfig', tls: serverTlsConfig },
    ...listeners.map(({ tls }, at) => ({ at: `listeners[${at}].tls`, tls })),
  ];
  return doors.flatMap(({ at, tls }) =>
    tls === undefined || tls.ca === '' || tls.clientAuth === 'verify'
      ? []
      : [`${at}.ca has no effect without clientAuth: verify; everyone who reaches the port may pull`],
  );
}

/**
 * One line for each registry with a port and without an alias. `host:port` is no part of a repository's name in any client's grammar,
 * so whoever puts the registry into the path (Podman, CRI-O, skopeo, crane) cannot name it; containerd and BuildKit name it by `ns`.
 * Nobody need name the default registry, or a mirror.
 */
function namelessRegistries({ registries, defaultNs }: Config): string[] {
  const mirrors = new Set(registries.flatMap(({ endpoints }) => endpoints.map((url) => new URL(url).host)));
  return registries
    .filter(({ name, alias }) => name.includes(':') && alias === '')
    .filter(({ name }) => name !== defaultNs && !mirrors.has(name))
    .map(
      ({ name }) =>
        `registries: ${name} has a port and no alias: Podman, CRI-O, skopeo and crane refuse a name with a port in its path`,
    );
}

/** Rules about users and groups are about nobody where nobody is asked who he is. */
function unknownUsers({ access = [], auth }: Config): string[] {
  if (auth !== undefined) return [];
  const rules = access.filter(({ who }) => typeof who === 'object' && ('user' in who || 'group' in who));
  return rules.map(
    ({ name }) =>
      `access: the rule ${JSON.stringify(name)} is about nobody, since no client is known without auth`,
  );
}

/** Bytes; of 128 bits nobody finds one by trying. */
const leastSecretBytes = 16;

/** Whoever guesses is slowed down, and comes from many addresses. A warning, since programs that are there have the secrets that they have. */
function shortSecrets({ auth }: Config): string[] {
  const clients = auth?.oauth?.clients ?? [];
  return clients
    .filter((client) => !client.public)
    .filter(({ secret }) => Buffer.byteLength(secret?.reveal() ?? '') < leastSecretBytes)
    .map(
      ({ id }) =>
        `auth.oauth: the secret of the client ${JSON.stringify(id)} has fewer than ${leastSecretBytes} bytes, and is found by trying sooner or later: openssl rand -base64 24 makes one`,
    );
}

/** What no door takes is hardly meant to be there. Passwords are for tokens, too. */
function untakenKinds(config: Config): string[] {
  const { auth } = config;
  const doors = doorsOf(config).filter(({ serve }) => serve !== 'files');
  const isTaken = (kind: CredentialKind): boolean => doors.some(({ kinds }) => kinds.has(kind));
  return configuredKinds(auth)
    .filter((kind) => !isTaken(kind) && !(kind === 'basic' && isTaken('tokenService')))
    .map((kind) => `auth.${kind} has no effect: neither port (auth.atPort) nor one of listeners takes it`);
}

/** What something else decides, or has no use for. */
function withoutEffect({ access, auth, hosted, rateLimit, listeners, storage }: Config): string[] {
  const found: string[] = [];
  if ((access !== undefined || auth !== undefined) && hosted.some(({ open }) => open))
    found.push('hosted: open has no effect beside access and auth, which say who may push');
  const isLimited = rateLimit !== undefined || listeners.some((listener) => listener.rateLimit !== undefined);
  if (storage.coordination.kind === 'redis' && !isLimited)
    found.push('storage.coordination has no effect without rateLimit');
  return found;
}
