import type { Config } from '../config/schema.ts';
import { nearest } from '../config/suggestion.ts';
import { HostedRules } from '../hosted/hosted-rules.ts';
import type { TargetSettings } from '../http/target.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';

/** How names are read that say little of their registry. */
export function targetSettings({ registries, defaultNs, hosted, publicUrl }: Config): TargetSettings {
  const aliases = new Map(
    registries.flatMap(({ alias, name }) =>
      alias === '' ? [] : [[alias, parseRegistryHost(name)] as const],
    ),
  );
  return {
    aliases,
    nearestAlias: (segment) => nearest(segment, aliases.keys()),
    livesHere: hosted.length === 0 ? undefined : new HostedRules(hosted).livesHere,
    own: ownHost(publicUrl),
    defaultNs: defaultNs === '' ? undefined : canonicalHost(parseRegistryHost(defaultNs)),
  };
}

function ownHost(publicUrl: string): RegistryHost | undefined {
  return publicUrl === '' ? undefined : parseRegistryHost(new URL(publicUrl).host);
}
