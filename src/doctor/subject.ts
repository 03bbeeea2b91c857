import { imageNamed } from '../app/image-name.ts';
import { targetSettings } from '../app/target-settings.ts';
import type { Config } from '../config/schema.ts';
import type { TargetSettings } from '../http/target.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import {
  hostOf,
  type ImageName,
  looksLikeHost,
  parseRegistryHost,
  type RegistryHost,
} from '../oci/reference.ts';

/** What is examined: a registry, or an image in it. */
export interface Subject {
  /** As it was named. */
  readonly name: string;
  readonly host: RegistryHost;
  readonly image: ImageName | undefined;
}

/** What was named on the command line, else every registry of the configuration. Throws RegistryError for what is no name. */
export function subjectsOf(config: Config, names: readonly string[]): Subject[] {
  if (names.length === 0) return config.registries.map(({ name }) => registrySubject(name, name));
  const settings = targetSettings(config);
  const configured = new Set<string>(config.registries.map(({ name }) => name));
  return names.map((name) => {
    const host: string = settings.aliases.get(name) ?? name;
    const isRegistry = configured.has(name) || host !== name || isHostAlone(name, settings);
    return isRegistry ? registrySubject(name, host) : imageSubject(name, settings);
  });
}

/** Without a default registry nothing else has no slash; with one, `alpine:3` is an image there. */
function isHostAlone(name: string, { defaultNs }: TargetSettings): boolean {
  if (name.includes('/')) return false;
  return defaultNs === undefined || name.startsWith('[') || looksLikeHost(name.replace(/[:@].*$/, ''));
}

function registrySubject(name: string, host: string): Subject {
  return { name, host: canonicalHost(parseRegistryHost(host)), image: undefined };
}

function imageSubject(name: string, settings: TargetSettings): Subject {
  const image = imageNamed(name, settings);
  return { name, host: hostOf(image.repository), image };
}
