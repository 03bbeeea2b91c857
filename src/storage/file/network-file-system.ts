import { statfs } from 'node:fs/promises';

/** Magic numbers of statfs(2) for file systems whose locks and shared memory other machines do not see. */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x47504653, 'GPFS'],
]);

/** The name of a network file system; undefined for one of this machine. */
export function networkFileSystemOf(type: number): string | undefined {
  return networkTypes.get(type >>> 0);
}

/** On which network file system the directory lies, if on one. */
export async function networkFileSystem(directory: string): Promise<string | undefined> {
  const { type } = await statfs(directory);
  return networkFileSystemOf(type);
}
