/** What the suite’s read-only mode is told to expect of a repository: its variables `RO_DATA_…`. */
export function readOnlyContent(served: Iterable<string>, repository: string): Record<string, string> {
  const lists = {
    TAGS: new Set<string>(),
    MANIFESTS: new Set<string>(),
    BLOBS: new Set<string>(),
    REFERRERS: new Set<string>(),
  };
  for (const path of served) {
    const [, kind, reference = ''] =
      new RegExp(`^/v2/${repository}/(manifests|blobs|referrers)/([^?]+)`).exec(path) ?? [];
    if (kind === 'manifests') (reference.includes(':') ? lists.MANIFESTS : lists.TAGS).add(reference);
    if (kind === 'blobs') lists.BLOBS.add(reference);
    if (kind === 'referrers') lists.REFERRERS.add(reference);
  }
  return Object.fromEntries(
    Object.entries(lists).map(([name, list]) => [`RO_DATA_${name}`, [...list].join(' ')]),
  );
}
