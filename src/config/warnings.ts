import type { Config } from './schema.ts';

/** What can be used and is hardly what was meant: one line each, without a secret. */
export function warningsOf(config: Config): string[] {
  return [
    ...halfCredentials(config),
    ...unaskedClients(config),
    ...namelessRegistries(config),
    ...unknownUsers(config),
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
function unaskedClients({ serverTlsConfig: { ca, clientAuth } }: Config): string[] {
  if (ca === '' || clientAuth === 'verify') return [];
  return [
    'serverTlsConfig.ca has no effect without clientAuth: verify; everyone who reaches the port may pull',
  ];
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

/** What something else decides, or has no use for. */
function withoutEffect({
  access,
  auth,
  hosted,
  rateLimit,
  listeners,
  storage,
  registries,
}: Config): string[] {
  const found = registries
    .filter(({ authorization, staleGrant }) => authorization === 'shared' && staleGrant !== undefined)
    .map(({ name }) => `registries: ${name}: staleGrant has no effect without authorization: passThrough`);
  if ((access !== undefined || auth !== undefined) && hosted.some(({ open }) => open))
    found.push('hosted: open has no effect beside access and auth, which say who may push');
  const isLimited = rateLimit !== undefined || listeners.some((listener) => listener.rateLimit !== undefined);
  if (storage.coordination.kind === 'redis' && !isLimited)
    found.push('storage.coordination has no effect without rateLimit');
  return found;
}
