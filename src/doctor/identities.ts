import { credentialChoice } from '../app/credential-choice.ts';
import { furtherAccounts } from '../app/registry-accounts.ts';
import type { RegistryConfig } from '../config/schema.ts';
import { userText } from '../credentials/identity.ts';

/** One of those who we are at a registry, without what proves it. */
export interface Identity {
  readonly name: string;
  /** With where its secret comes from. */
  readonly source: string;
}

/** Who we are there, in the order of `registryAccounts`: one, where no account is configured. */
export function identitiesOf(registry: RegistryConfig | undefined): readonly [Identity, ...Identity[]] {
  const first = firstIdentity(registry);
  if (registry === undefined) return [first];
  const [account, ...others] = furtherAccounts(registry).map(
    ({ user, password, passwordFromEnv, passwordFile }): Identity => {
      const name = userText({ username: user, password: password.reveal() });
      return { name, source: `${name}, password${sourceText(passwordFromEnv, passwordFile)}` };
    },
  );
  if (account === undefined) return [first];
  return credentialChoice(registry).kind === 'anonymous' ? [account, ...others] : [first, account, ...others];
}

/** By the choice that the server makes. */
function firstIdentity(registry: RegistryConfig | undefined): Identity {
  const chosen = credentialChoice(registry);
  switch (chosen.kind) {
    case 'anonymous': {
      const isHalf = registry !== undefined && registry.auth.user !== '';
      return { name: 'anonymous', source: isHalf ? 'none: auth.user without a password' : 'none: anonymous' };
    }
    case 'static': {
      const name = 'auth.token.static';
      return { name, source: `${name}${sourceText(registry?.auth.token.staticFromEnv, chosen.file)}` };
    }
    case 'provider': {
      const name = `provider ${chosen.provider.name}`;
      return { name, source: `${name}${optionsText(chosen.provider.options)}` };
    }
    case 'password': {
      const name = userText({ username: chosen.user, password: chosen.secret.reveal() });
      const source = `${name}, password${sourceText(registry?.auth.passwordFromEnv, chosen.file)}`;
      return { name, source };
    }
  }
}

function sourceText(variable: string | undefined, file: string): string {
  if (file !== '') return ` from the file ${file}`;
  return variable ? ` from the environment variable ${variable}` : ' from the configuration';
}

/** Of a command the program alone: its arguments may hold anything. */
function optionsText(options: object): string {
  const set = Object.entries(options).filter(([, value]) => value !== undefined);
  if (set.length === 0) return '';
  const texts = set.map(
    ([name, value]) => `${name} ${name === 'command' ? programIn(value) : String(value)}`,
  );
  return ` (${texts.join(', ')})`;
}

function programIn(command: unknown): string {
  return String(Array.isArray(command) ? command[0] : command).split(' ')[0] ?? '';
}
