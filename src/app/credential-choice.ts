import { chosenProvider } from '../config/provider-options.ts';
import type { RegistryConfig } from '../config/schema.ts';
import type { Secret } from '../config/secret.ts';
import type { ChosenProvider } from '../credentials/providers/provider.ts';

/** Which of a registry's credentials counts. */
export type CredentialChoice =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'static'; readonly secret: Secret; readonly file: string }
  | { readonly kind: 'provider'; readonly provider: ChosenProvider }
  | { readonly kind: 'password'; readonly user: string; readonly secret: Secret; readonly file: string };

/** As in the original a static token comes before a provider, and both before user and password. */
export function credentialChoice(registry: RegistryConfig | undefined): CredentialChoice {
  if (registry === undefined) return { kind: 'anonymous' };
  const { user, password, passwordFile, token } = registry.auth;
  if (token.static !== undefined) return { kind: 'static', secret: token.static, file: token.staticFile };
  if (token.provider !== '')
    return { kind: 'provider', provider: chosenProvider(token.provider, token.providerOpts) };
  if (user === '' || password === undefined) return { kind: 'anonymous' };
  return { kind: 'password', user, secret: password, file: passwordFile };
}
