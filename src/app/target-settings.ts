import type { Config } from '../config/schema.ts';
import { nearest } from '../config/suggestion.ts';
import type { TargetSettings } from '../http/target.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';

/** How names are read that say little of their registry. */
export function targetSettings({ registries, defaultNs }: Config): TargetSettings {
  const aliases = new Map(
    registries.flatMap(({ alias, name }) =>
      alias === '' ? [] : [[alias, parseRegistryHost(name)] as const],
    ),
  );
  return {
    aliases,
    nearestAlias: (segment) => nearest(segment, aliases.keys()),
    defaultNs: defaultNs === '' ? undefined : canonicalHost(parseRegistryHost(defaultNs)),
  };
}
