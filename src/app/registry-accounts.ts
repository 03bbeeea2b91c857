import type { CacheParts } from '../cache/cache-parts.ts';
import type { RegistryConfig } from '../config/schema.ts';
import type { Secret } from '../config/secret.ts';
import type { CredentialProvider } from '../credentials/credentials.ts';
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
    user,
    credentials: userCredentials({ user, secret, file }, parts),
  }));
  if (credentialChoice(registry).kind === 'anonymous') return others;
  return [{ user: registry.auth.user || first.name, credentials: first }, ...others];
}

type Account = RegistryConfig['auth']['accounts'][number];

/** Those of `auth.accounts`, in their order. */
export function furtherAccounts({ auth }: RegistryConfig): (Account & { readonly password: Secret })[] {
  return auth.accounts.flatMap(({ password, ...account }) =>
    password === undefined ? [] : [{ ...account, password }],
  );
}
