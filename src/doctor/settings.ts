import { proxiesOf } from '../app/policies.ts';
import { tlsSettings } from '../app/registry-upstream.ts';
import type { Config } from '../config/schema.ts';
import { originOf } from '../upstream/upstream.ts';
import { identitiesOf } from './identities.ts';
import type { Walk } from './walk.ts';

/**
 * What of the configuration applies to a walk: one row for each matter, without secrets. Of a further account there is only
 * what differs from the first.
 */
export interface Settings {
  readonly rule?: string;
  readonly origin?: string;
  readonly proxy?: string;
  readonly tls?: string;
  readonly credential: string;
  readonly accounts?: string;
  readonly mirrors?: string;
}

export function settingsOf(walk: Walk, config: Config, env: NodeJS.ProcessEnv): Settings {
  const { place, by, identity, account } = walk;
  if (account > 0) return { credential: identity.source };
  const identities = identitiesOf(place.registry);
  return {
    rule: ruleText(walk, config),
    origin: `${originOf(place).origin}${place.mirror?.path ?? ''}`,
    ...(!config.airGapped && { proxy: proxyText(walk, config, env) }),
    tls: tlsText(walk, config),
    credential: identity.source,
    accounts: identities.length === 1 ? 'none' : identities.map(({ name }) => name).join(', '),
    ...(by === undefined && { mirrors: place.registry?.endpoints.join(', ') || 'none' }),
  };
}

function ruleText({ place, by, subject }: Walk, { unknownRegistries }: Config): string {
  if (by === undefined) return place.registry === undefined ? unknownRules[unknownRegistries] : 'configured';
  const own =
    place.registry === undefined
      ? 'without an entry of its own, so that it is shown nothing of ours'
      : `with the entry ${place.registry.name}`;
  return `a mirror of ${subject.host}, ${own}`;
}

const unknownRules: Readonly<Record<Config['unknownRegistries'], string>> = {
  public: 'not configured; allowed at public addresses (unknownRegistries: public)',
  none: 'not configured; refused (unknownRegistries: none)',
  any: 'not configured; allowed at any address (unknownRegistries: any)',
};

function proxyText({ place }: Walk, config: Config, env: NodeJS.ProcessEnv): string {
  const { proxy, setIn, exception } = proxiesOf(config, place.registry ?? place.lender, env).route(
    originOf(place),
  );
  if (proxy !== undefined) return `${proxy.host} (${setIn})`;
  return exception === undefined ? 'none' : `none: ${exception} (else that of ${setIn})`;
}

function tlsText({ place: { scheme, registry, lender } }: Walk, config: Config): string {
  if (scheme === 'http') return 'none (scheme: http)';
  const { caFiles = [], certFile, keyFile, insecureSkipVerify } = tlsSettings(config, registry, lender);
  return [
    insecureSkipVerify === true
      ? 'insecureSkipVerify: any certificate is believed'
      : ['the usual certificate authorities', ...caFiles].join(' and '),
    ...(certFile === undefined ? [] : [`client certificate ${certFile} with key ${keyFile}`]),
  ].join('; ');
}
