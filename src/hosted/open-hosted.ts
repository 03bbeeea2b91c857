import type { Pushes } from '../oci/pushes.ts';
import { Deletions } from './deletions.ts';
import { type HostedParts, orNoRoom } from './hosted-parts.ts';
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
    beginUpload: async (...call) => await orNoRoom(async () => await uploads.begin(...call)),
    uploadState: async (...call) => await uploads.state(...call),
    append: async (...call) => await uploads.append(...call),
    commit: async (...call) => await orNoRoom(async () => await uploads.commit(...call)),
    cancel: async (...call) => await orNoRoom(async () => await uploads.cancel(...call)),
    putBlob: async (...call) => await orNoRoom(async () => await blobs.put(...call)),
    mount: async (...call) => await orNoRoom(async () => await blobs.mount(...call)),
    putManifest: async (...call) => await orNoRoom(async () => await manifests.put(...call)),
    deleteTag: async (...call) => await orNoRoom(async () => await deletions.tag(...call)),
    deleteManifest: async (...call) => await orNoRoom(async () => await deletions.manifest(...call)),
    deleteBlob: async (...call) => await orNoRoom(async () => await deletions.blob(...call)),
  };
}
