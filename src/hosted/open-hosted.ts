import type { Pushes } from '../oci/pushes.ts';
import { Deletions } from './deletions.ts';
import type { HostedParts } from './hosted-parts.ts';
import { PushedBlobs } from './pushed-blobs.ts';
import { PushedManifests } from './pushed-manifests.ts';
import { Uploads } from './uploads.ts';

/** What clients may change of what lives here. */
export function openPushes(parts: HostedParts): Pushes {
  const uploads = new Uploads(parts);
  const blobs = new PushedBlobs(parts);
  const manifests = new PushedManifests(parts);
  const deletions = new Deletions(parts);
  return {
    beginUpload: async (repository) => await uploads.begin(repository),
    uploadState: async (repository, id) => await uploads.state(repository, id),
    append: async (repository, id, bytes) => await uploads.append(repository, id, bytes),
    commit: async (repository, id, digest, bytes) => await uploads.commit(repository, id, digest, bytes),
    cancel: async (repository, id) => await uploads.cancel(repository, id),
    putBlob: async (repository, digest, bytes) => await blobs.put(repository, digest, bytes),
    mount: async (repository, digest, from) => await blobs.mount(repository, digest, from),
    putManifest: async (repository, reference, manifest) =>
      await manifests.put(repository, reference, manifest),
    deleteTag: async (repository, tag) => await deletions.tag(repository, tag),
    deleteManifest: async (repository, digest) => await deletions.manifest(repository, digest),
    deleteBlob: async (repository, digest) => await deletions.blob(repository, digest),
  };
}
