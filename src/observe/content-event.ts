import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** What the event is about: a manifest or a blob. */
interface About {
  readonly repository: RepositoryName;
  readonly descriptor: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>;
  /** By which it was named. */
  readonly tag?: Tag | undefined;
}

/**
 * What has become of content here: for clients' own doings (`push`, `pull`, `delete`, `mount`) as in distribution's notifications, and the
 * cache's (`fill`: it came from upstream; `evict`: it had to go; `moved`: upstream's tag points elsewhere; `gone`: upstream has it no more).
 */
export type ContentEvent = {
  /** Milliseconds since the epoch. */
  readonly at: number;
} & (
  | (About & { readonly kind: 'push' | 'pull'; readonly request: ClientRequest })
  | (About & { readonly kind: 'mount'; readonly from: RepositoryName; readonly request: ClientRequest })
  | {
      readonly kind: 'delete';
      readonly repository: RepositoryName;
      /** What was deleted: one of them. */
      readonly digest?: Digest | undefined;
      readonly tag?: Tag | undefined;
      readonly request: ClientRequest;
    }
  | (About & { readonly kind: 'fill' })
  | {
      readonly kind: 'evict';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly tags: readonly Tag[];
    }
  | {
      readonly kind: 'moved';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly from: Digest;
      readonly to: Digest;
    }
  | { readonly kind: 'gone'; readonly repository: RepositoryName; readonly tag: Tag }
);

/** Who is told. Called on the way of requests: must be quick, must not throw, keeps no more than it has room for. */
export type Tell = (event: ContentEvent) => void;
