import type { HostedRules } from '../hosted/hosted-rules.ts';
import { dockerHub } from '../oci/docker-hub.ts';
import { RegistryError } from '../oci/error.ts';
import { type ImageName, isHosted, shownImage } from '../oci/reference.ts';
import { imageNamed } from './image-name.ts';

/** To containerd, Docker and Kubernetes a name without a registry is one of Docker Hub. */
const names = { aliases: new Map(), defaultNs: dockerHub };

/**
 * The name of an image in what is imported. What lived where it was exported lives here, too, where a pattern of `hosted` matches it. Throws RegistryError for
 * what is no name, and where none does.
 */
export function importedName(text: string, rules: HostedRules): ImageName {
  const shown = shownImage(text);
  if (shown === text) return imageNamed(text, names);
  const name = imageNamed(shown, { ...names, livesHere: rules.livesHere });
  if (isHosted(name.repository)) return name;
  throw new RegistryError(
    'NAME_INVALID',
    `${shown} lived in the registry that it was exported from, and no pattern below "hosted" matches it here`,
  );
}
