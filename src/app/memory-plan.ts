import { memoryLimit, memoryShare } from '../base/memory-limit.ts';

/** How large the things are that are kept in memory only to be fast. Bytes. */
export interface MemoryPlan {
  /** Manifests that were asked for lately. */
  readonly manifests: number;
  /** Small blobs that were asked for lately. */
  readonly smallBlobs: number;
  /** Answers that were given lately, as they were sent. */
  readonly answers: number;
  /** Lists of tags that were read lately. */
  readonly lists: number;
  /** Pages of the index. */
  readonly indexPages: number;
  /** What stored blobs are read into; slower readers have less. */
  readonly readBuffers: number;
  /** What wait for their next use, of the buffers that blobs are received into. */
  readonly receiveBuffers: number;
}

const mebibyte = 1024 * 1024;

/**
 * From a gigabyte on all of it; below, a seventh of what the program does not take idle: the kernel wants some for files. What grows with the number of
 * images (manifests, answers, pages) is 44 MiB: what is beyond is read of files that the kernel has in memory.
 */
export function memoryPlan(limit = memoryLimit()): MemoryPlan {
  const share = (most: number): number => memoryShare(most, limit);
  return {
    manifests: share(24 * mebibyte),
    smallBlobs: share(32 * mebibyte),
    answers: share(12 * mebibyte),
    lists: share(32 * mebibyte),
    indexPages: share(8 * mebibyte),
    readBuffers: share(16 * mebibyte),
    receiveBuffers: share(16 * mebibyte),
  };
}
