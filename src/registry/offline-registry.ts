import type { Descriptor } from '../oci/descriptor.ts';
import { type ErrorCode, RegistryError } from '../oci/error.ts';
import type { BlobInfo, BlobReader, Manifest, ReferrersList, Registry, TagList } from '../oci/registry.ts';

/** The upstream across an air gap: it has nothing and is never asked. */
export class OfflineRegistry implements Registry {
  async resolveManifest(): Promise<Descriptor> {
    throw missing('MANIFEST_UNKNOWN');
  }

  async getManifest(): Promise<Manifest> {
    throw missing('MANIFEST_UNKNOWN');
  }

  async resolveBlob(): Promise<BlobInfo> {
    throw missing('BLOB_UNKNOWN');
  }

  async getBlob(): Promise<BlobReader> {
    throw missing('BLOB_UNKNOWN');
  }

  async listTags(): Promise<TagList> {
    throw missing('NAME_UNKNOWN');
  }

  async listReferrers(): Promise<ReferrersList> {
    throw missing('NAME_UNKNOWN');
  }
}

function missing(code: ErrorCode): RegistryError {
  return new RegistryError(code, 'not in the cache, and this registry is air-gapped: nothing is fetched');
}
