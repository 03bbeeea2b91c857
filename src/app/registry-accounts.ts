import type { CacheParts } from '../cache/cache-parts.ts';
import type { RegistryConfig } from '../config/schema.ts';
import type { Secret } from '../config/secret.ts';
import { type CredentialProvider, isSecretName } from '../credentials/credentials.ts';
import type { NamedCredentials } from '../upstream/upstream.ts';
import { credentialChoice } from './credential-choice.ts';
import { userCredentials } from './registry-credentials.ts';

/**
 * Who else we are at a registry, behind who we are there in the first place, if we are anybody. Undefined without
 * `auth.accounts`.
 */
export function registryAccounts(
  registry: RegistryConfig | undefined,
  first: CredentialProvider,
  parts: Pick<CacheParts, 'clock' | 'log'>,
): readonly NamedCredentials[] | undefined {
  if (registry === undefined || registry.auth.accounts.length === 0) return undefined;
  const others = furtherAccounts(registry).map(({ user, password: secret, passwordFile: file }) => ({
    user: nameOf(user, secret),
    credentials: userCredentials({ user, secret, file }, parts),
  }));
  if (credentialChoice(registry).kind === 'anonymous') return others;
  const { user, password } = registry.auth;
  return [{ user: user === '' ? first.name : nameOf(user, password), credentials: first }, ...others];
}

/** For the log: a token may stand in the place of the name. */
function nameOf(username: string, password: Secret | undefined): string {
  const isSecret = password !== undefined && isSecretName({ username, password: password.reveal() });
  return isSecret ? 'a user whose name is a secret' : username;
}

type Account = RegistryConfig['auth']['accounts'][number];

/** Those of `auth.accounts`, in their order. */
export function furtherAccounts({ auth }: RegistryConfig): (Account & { readonly password: Secret })[] {
  return auth.accounts.flatMap(({ password, ...account }) =>
    password === undefined ? [] : [{ ...account, password }],
  );
}
