import { aliasMeant, type TargetSettings, targetOf } from '../http/target.ts';
import { RegistryError } from '../oci/error.ts';
import { type ImageName, looksLikeHost, parseReference } from '../oci/reference.ts';

const unsaid = { header: undefined, ns: undefined };

/** `name:tag`, `name@digest`, both (the digest counts), or the tag `latest`. Throws RegistryError for what is no name. */
export function imageNamed(name: string, settings: TargetSettings): ImageName {
  const [, path = '', tag, digest] = /^(.+?)(?::([^/@:]+))?(?:@(.+))?$/.exec(name) ?? [];
  if (isOfNoRegistry(path, settings)) throw new RegistryError('NAME_INVALID', whichRegistry(path, settings));
  const repository = targetOf(path, unsaid, settings);
  return { repository, reference: parseReference(digest ?? tag ?? 'latest') };
}

function isOfNoRegistry(path: string, { aliases, defaultNs, livesHere }: TargetSettings): boolean {
  const [first = ''] = path.split('/', 1);
  if (defaultNs !== undefined || looksLikeHost(first) || aliases.has(first)) return false;
  return livesHere?.(path) !== true;
}

/** To somebody who writes names, and not the paths of requests. */
function whichRegistry(path: string, settings: TargetSettings): string {
  const meant = aliasMeant(path, unsaid, settings);
  const perhaps = meant === undefined ? '' : ` Did you mean the alias "${meant}"?`;
  return `of which registry?${perhaps} Put its host in front (docker.io/library/alpine:3), or configure defaultNs`;
}
