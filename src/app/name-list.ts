import type { Clock } from '../base/clock.ts';
import { ImageLayout } from '../storage/file/image-layout.ts';
import type { StoreDirectories } from '../storage/file/store-directories.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { Changes } from '../storage/operation.ts';

interface NameListParts {
  /** The versioned directory. */
  readonly directory: string;
  readonly directories: StoreDirectories;
  readonly metadata: Pick<MetadataStore, 'listNames'>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** The list of names that a directory has of itself, as the index has them. */
export function nameList({ metadata, ...parts }: NameListParts): ImageLayout {
  return new ImageLayout({ ...parts, names: () => metadata.listNames() });
}

/** Where another process writes the list too, what it has changed may be missing in the one that is written here at the same time: that is written once more. */
export function watchedNames(layout: ImageLayout, metadata: Pick<MetadataStore, 'watch'>): Disposable {
  return metadata.watch((changes: Changes) => {
    if (changes === 'all' || changes.some(({ kind }) => kind !== 'blob')) layout.changed();
  });
}
