import { isLoopbackHost } from '../base/loopback.ts';
import { isBlockIn, isOneAddress } from './blocks.ts';
import { deadRules } from './dead-rules.ts';
import { type CredentialKind, configuredKinds, doorsOf, isLimited } from './doors.ts';
import type { Config } from './schema.ts';

/** What can be used and is hardly what was meant: one line each, without a secret. */
export function warningsOf(config: Config): string[] {
  return [
    ...halfCredentials(config),
    ...unaskedClients(config),
    ...namelessRegistries(config),
    ...unknownUsers(config),
    ...clientsAsProxies(config),
    ...deadRules(config),
    ...shortSecrets(config),
    ...untakenKinds(config),
    ...believedAlone(config),
    ...readableKeys(config),
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

/** Rules about whom nobody is asked for are about nobody, and a name of one kind is none of another. */
function unknownUsers(config: Config): string[] {
  const { access = [], auth } = config;
  const clients = new Set(auth?.oauth?.clients.map(({ id }) => id));
  return access.flatMap(({ name, who }) => {
    const [kind, isThere] = kindOf(who, auth);
    const rule = `access: the rule ${JSON.stringify(name)}`;
    if (typeof who === 'object' && 'certificate' in who && !asksForCertificates(config))
      return [`${rule} is about nobody, since no client is asked for a certificate (clientAuth: verify)`];
    if (kind !== undefined && !isThere)
      return [
        `${rule} is about nobody, since no client is known ${auth === undefined ? 'without auth' : `so without auth.${kind}`}`,
      ];
    return typeof who === 'object' && 'user' in who && clients.has(who.user)
      ? [
          `${rule} is about a user of auth.basic, and not about the client of the same name: that is { client }`,
        ]
      : [];
  });
}

/** Whoever is believed as a proxy may say that he has any address, and so be whom any rule about addresses is about. One address alone is a proxy's. */
function clientsAsProxies({ access = [], trustedProxies }: Config): string[] {
  const all = trustedProxies.find((block) => block.endsWith('/0'));
  if (all !== undefined)
    return [
      `trustedProxies: ${all} is everybody, who then may say that he has any address: name the proxies`,
    ];
  const proxies = trustedProxies.filter((block) => !isOneAddress(block));
  return access.flatMap(({ name, who }) => {
    if (typeof who !== 'object' || !('cidr' in who)) return [];
    const block = proxies.find((proxy) => isBlockIn(who.cidr, proxy));
    return block === undefined
      ? []
      : [
          `access: the rule ${JSON.stringify(name)} is about addresses in ${block} of trustedProxies: whoever has one is believed as a proxy, and may say that he has any other; name the proxies alone there`,
        ];
  });
}

function asksForCertificates({ serverTlsConfig, listeners }: Config): boolean {
  return [serverTlsConfig, ...listeners.map(({ tls }) => tls)].some((tls) => tls?.clientAuth === 'verify');
}

/** By which part of auth somebody is known, and is it there? Undefined: by none of it. */
function kindOf(
  who: NonNullable<Config['access']>[number]['who'],
  auth: Config['auth'],
): readonly ['basic' | 'oauth' | 'issuers' | undefined, boolean] {
  if (typeof who !== 'object') return [undefined, false];
  if ('user' in who) return ['basic', auth?.basic !== undefined];
  if ('client' in who) return ['oauth', auth?.oauth !== undefined];
  const isOfAnIssuer = 'subject' in who || 'group' in who || 'claim' in who || 'issuer' in who;
  return isOfAnIssuer ? ['issuers', (auth?.issuers.length ?? 0) > 0] : [undefined, false];
}

/** Anybody can have a token of some issuers, for any audience. */
function believedAlone(config: Config): string[] {
  const { access, auth } = config;
  if (access !== undefined || !isTaken(config, 'issuers')) return [];
  return (auth?.issuers ?? [])
    .filter(({ realm }) => realm === undefined)
    .map(
      ({ issuer, audience }) =>
        `auth.issuers: without access everybody pulls to whom ${issuer} gives a token for ${JSON.stringify(audience)}`,
    );
}

/** Whoever stands between makes keys of his own. */
function readableKeys({ auth }: Config): string[] {
  return (auth?.issuers ?? []).flatMap(({ issuer, jwksUrl, keyFile }) => {
    const url = keyFile === '' ? URL.parse(jwksUrl ?? issuer) : null;
    return url?.protocol === 'http:' && !isLoopbackHost(url.hostname)
      ? [`auth.issuers: the keys of ${issuer} come over plain HTTP: whoever is between can make tokens of it`]
      : [];
  });
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
  return configuredKinds(config.auth)
    .filter((kind) => !isTaken(config, kind) && !(kind === 'basic' && isTaken(config, 'tokenService')))
    .map((kind) => `auth.${kind} has no effect: neither port (auth.atPort) nor one of listeners takes it`);
}

function isTaken(config: Config, kind: CredentialKind): boolean {
  return doorsOf(config).some(({ serve, kinds }) => serve !== 'files' && kinds.has(kind));
}

/** What something else decides, or has no use for. */
function withoutEffect(config: Config): string[] {
  const { access, auth, hosted, rateLimit, listeners, storage, registries } = config;
  const found = registries
    .filter(({ authorization, staleGrant }) => authorization === 'shared' && staleGrant !== undefined)
    .map(({ name }) => `registries: ${name}: staleGrant has no effect without authorization: passThrough`);
  if ((access !== undefined || auth !== undefined) && hosted.some(({ open }) => open))
    found.push('hosted: open has no effect beside access and auth, which say who may push');
  const limits = [rateLimit, ...listeners.map((listener) => listener.rateLimit)];
  if (auth === undefined && !asksForCertificates(config) && limits.some((limit) => limit?.by === 'user'))
    found.push('rateLimit: by: user counts nobody without auth, since nobody has a name');
  if (storage.coordination.kind === 'redis' && !isLimited(config))
    found.push('storage.coordination has no effect without rateLimit');
  return found;
}
