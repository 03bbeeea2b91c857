import type { Digest } from '../oci/reference.ts';

/** A repository has not what a manifest names. */
export class MissingContentError extends Error {
  override readonly name = 'MissingContentError';
  readonly digests: readonly Digest[];

  constructor(digests: readonly Digest[]) {
    super(`${digests.length} of what it names is not there`);
    this.digests = digests;
  }
}

/** A tag is there, and points elsewhere. */
export class TagTakenError extends Error {
  override readonly name = 'TagTakenError';

  constructor() {
    super('the tag points elsewhere');
  }
}

/** Something of the repository needs it: a `tag` leads to it, or a `manifest` names it. */
export class StillNamedError extends Error {
  override readonly name = 'StillNamedError';
  readonly by: 'tag' | 'manifest';

  constructor(by: StillNamedError['by']) {
    super(`a ${by} leads to it`);
    this.by = by;
  }
}
