import { credentialChoice } from '../app/credential-choice.ts';
import { schemeOf, tlsSettings } from '../app/registry-upstream.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import { originOf } from '../upstream/upstream.ts';
import type { Subject } from './subject.ts';

/** What of the configuration applies to a registry: one row for each matter, without secrets. */
export interface Settings {
  readonly rule: string;
  readonly origin: string;
  readonly tls: string;
  readonly credential: string;
}

export function settingsOf(
  { host }: Subject,
  config: Config,
  registry: RegistryConfig | undefined,
): Settings {
  const origin = originOf({ scheme: schemeOf(registry), host });
  return {
    rule: registry === undefined ? unknownRules[config.unknownRegistries] : 'configured',
    origin: origin.origin,
    tls: tlsText(config, registry),
    credential: credentialText(registry),
  };
}

const unknownRules: Readonly<Record<Config['unknownRegistries'], string>> = {
  public: 'not configured; allowed at public addresses (unknownRegistries: public)',
  none: 'not configured; refused (unknownRegistries: none)',
  any: 'not configured; allowed at any address (unknownRegistries: any)',
};

function tlsText(config: Config, registry: RegistryConfig | undefined): string {
  if (schemeOf(registry) === 'http') return 'none (scheme: http)';
  const { caFiles = [], certFile, keyFile, insecureSkipVerify } = tlsSettings(config, registry);
  return [
    insecureSkipVerify === true
      ? 'insecureSkipVerify: any certificate is believed'
      : ['the usual authorities', ...caFiles].join(' and '),
    ...(certFile === undefined ? [] : [`client certificate ${certFile} with key ${keyFile}`]),
  ].join('; ');
}

/** By the choice that the server makes. */
function credentialText(registry: RegistryConfig | undefined): string {
  const chosen = credentialChoice(registry);
  switch (chosen.kind) {
    case 'anonymous':
      return registry !== undefined && registry.auth.user !== ''
        ? 'none: auth.user without a password'
        : 'none: anonymous';
    case 'static':
      return `auth.token.static${sourceText(registry?.auth.token.staticFromEnv, chosen.file)}`;
    case 'provider':
      return `provider ${chosen.choice.provider}${optionsText(chosen.choice.options)}`;
    case 'password':
      return `user ${JSON.stringify(chosen.user)}, password${sourceText(registry?.auth.passwordFromEnv, chosen.file)}`;
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
