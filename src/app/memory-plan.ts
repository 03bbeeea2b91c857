import { totalmem } from 'node:os';

/** How large the things are that are kept in memory only to be fast. Bytes. */
export interface MemoryPlan {
  /** Manifests that were asked for lately. */
  readonly manifests: number;
  /** Lists of tags that were read lately. */
  readonly lists: number;
  /** What stored blobs are read into; slower readers have less. */
  readonly readBuffers: number;
  /** What wait for their next use, of the buffers that blobs are received into. */
  readonly receiveBuffers: number;
}

const mebibyte = 1024 * 1024;

/**
 * What this process may use: the limit of its container (cgroup v1 or v2), or all that the machine has. Bytes. Node gives 0, or a number
 * beyond all memory, where there is no limit.
 */
export function memoryLimit(constrained = process.constrainedMemory(), total = totalmem()): number {
  return constrained > 0 ? Math.min(constrained, total) : total;
}

/** From a gigabyte on all of it; below, an eighth of what there is: Node itself takes half of 256 MiB, and the kernel wants some for files. */
export function memoryPlan(limit = memoryLimit()): MemoryPlan {
  const share = (most: number): number => Math.floor(most * Math.min(1, limit / (1024 * mebibyte)));
  return {
    manifests: share(64 * mebibyte),
    lists: share(32 * mebibyte),
    readBuffers: share(16 * mebibyte),
    receiveBuffers: share(16 * mebibyte),
  };
}
