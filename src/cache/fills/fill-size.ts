import { RegistryError } from '../../oci/error.ts';
import type { BlobInfo, BlobReader } from '../../oci/registry.ts';

/**
 * What goes on beyond this, though nobody said how long it is, is no blob: registries that take larger ones than quay.io's 20 GiB and
 * GHCR's 10 GB (Amazon ECR 52 GB, Azure 200 GB) say the length. Bytes.
 */
const maxUnsized = 20 * 2 ** 30;
/** The same while nobody waits for it: then only the next client would have it. Bytes. */
const maxUnsizedAlone = 2 ** 30;

/**
 * How many bytes a blob on its way has. Only a digest that was verified before says it for certain. What upstream announces
 * holds while its bytes come. What a manifest claims is that of its own repository alone: it bounds what upstream may send
 * without saying how much, and makes a mirror that contradicts it give way to the next place; it never outweighs two places
 * that agree, or the last one. In the end the digest decides.
 */
export class FillSize {
  #known: number | undefined;
  #most: number;
  readonly #claimed: number | undefined;
  #disputed: number | undefined;

  /** What is known before, or what the manifests of the repository that begins claim. */
  constructor({ size, isVerified = false }: BlobInfo) {
    this.#known = isVerified ? size : undefined;
    this.#claimed = isVerified ? undefined : size;
    this.#most = size ?? maxUnsized;
  }

  /** Verified, or announced by upstream; the same for all readers. */
  get known(): number | undefined {
    return this.#known;
  }

  /** What should come. */
  get expected(): number | undefined {
    return this.#known ?? this.#claimed;
  }

  /** What may come at most. */
  get limit(): number {
    return this.#known ?? this.#most;
  }

  /** What may come at most while nobody waits for it. */
  get limitAlone(): number {
    return this.#known ?? Math.min(this.#most, Math.max(this.#claimed ?? 0, maxUnsizedAlone));
  }

  /** Has a place been passed over because of what a manifest claims? Then there is still a way if the next one has nothing. */
  get isDisputed(): boolean {
    return this.#disputed !== undefined && this.#known === undefined;
  }

  /** Another repository reads too, whose manifests claim this: what is enough for one must not cut off the other. */
  allow(claimed: number | undefined): void {
    this.#most = Math.max(this.#most, claimed ?? maxUnsized);
  }

  /** Hears what upstream announces. Throws UNAVAILABLE where that cannot be, or the next place may know better. */
  agree({ size, leavePlace }: Pick<BlobReader, 'size' | 'leavePlace'>): void {
    if (size === undefined || size === this.#known) return;
    if (this.#known === undefined && !this.#mayBeBetterElsewhere(size, leavePlace !== undefined)) {
      this.#known = size;
      return;
    }
    const { expected } = this;
    if (this.#known === undefined) this.#disputed = size;
    throw new RegistryError('UNAVAILABLE', `upstream gives the blob ${size} bytes, expected are ${expected}`);
  }

  /** The digest was right for so many bytes. */
  settle(size: number): void {
    this.#known = size;
  }

  #mayBeBetterElsewhere(size: number, hasAnotherPlace: boolean): boolean {
    if (this.#claimed === undefined || size === this.#claimed) return false;
    return hasAnotherPlace && size !== this.#disputed;
  }
}
