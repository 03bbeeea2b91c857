import { type Digest, parseReference, type RepositoryName } from '#src/oci/reference.ts';
import type { Had } from './ledger.ts';
import type { MemoryBundle } from './memory-bundle.ts';
import type { Model } from './model.ts';

/** What is promised of an image that was imported: its name, its manifests as far as they were brought, and their blobs. */
export function promisedOf(
  name: string,
  digest: Digest,
  bundle: MemoryBundle,
  model: Model,
): readonly Omit<Had, 'since'>[] {
  const [, repository = '', text = ''] = /^(.+?)[:@]([^/]+)$/.exec(name) ?? [];
  const reference = parseReference(text);
  const made = model.repositories.get(repository as RepositoryName);
  const manifests = manifestsOf(digest, bundle, model, repository as RepositoryName);
  const blobs = manifests.flatMap((each) => made?.manifests.get(each)?.blobs ?? []);
  const shared = { repository: repository as RepositoryName, isImported: true };
  return [
    ...(reference === digest ? [] : [{ ...shared, kind: 'tag' as const, reference }]),
    ...manifests.map((each) => ({ ...shared, kind: 'manifest' as const, reference: each })),
    ...new Set(blobs).values().map((each) => ({ ...shared, kind: 'blob' as const, reference: each })),
  ];
}

function manifestsOf(root: Digest, bundle: MemoryBundle, model: Model, name: RepositoryName): Digest[] {
  const children = model.repositories.get(name)?.manifests.get(root)?.children ?? [];
  const brought = children.filter((child) => bundle.chain.some((each) => each.bytesOf(child) !== undefined));
  return [root, ...brought];
}
