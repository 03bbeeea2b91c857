/**
 * By which a file is known again: where none of this has changed, nobody has written to it. A link or another mode moves `changedAt` as well, and a
 * copy is another file, so that a difference says nothing but that its bytes are to be hashed again. Times in nanoseconds since the epoch.
 */
export interface Stamp {
  readonly inode: bigint;
  readonly modifiedAt: bigint;
  readonly changedAt: bigint;
}

export function isSameStamp(one: Stamp, other: Stamp | undefined): boolean {
  return (
    one.inode === other?.inode && one.modifiedAt === other.modifiedAt && one.changedAt === other.changedAt
  );
}
