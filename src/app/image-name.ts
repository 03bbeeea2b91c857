import { type TargetSettings, targetOf } from '../http/target.ts';
import { type ImageName, parseReference } from '../oci/reference.ts';

/** `name:tag`, `name@digest`, both (the digest counts), or the tag `latest`. Throws RegistryError for what is no name. */
export function imageNamed(name: string, settings: TargetSettings): ImageName {
  const [, path = '', tag, digest] = /^(.+?)(?::([^/@:]+))?(?:@(.+))?$/.exec(name) ?? [];
  const repository = targetOf(path, { header: undefined, ns: undefined }, settings);
  return { repository, reference: parseReference(digest ?? tag ?? 'latest') };
}
