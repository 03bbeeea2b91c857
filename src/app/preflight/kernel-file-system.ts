import { statfs } from 'node:fs/promises';

/** Magic numbers of statfs(2) (linux/magic.h) for what the kernel shows as files, and where nobody can keep one, though it lets root think so. */
const kernelTypes: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x1cd1, 'devpts'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0x62656570, 'configfs'],
  [0x6165676c, 'pstore'],
  [0xf97cff8c, 'selinuxfs'],
  [0xcafe4a11, 'bpf'],
  [0xde5e81e4, 'efivarfs'],
  [0x19800202, 'mqueue'],
]);

/** The name of such a file system, if the path lies on one. */
export async function kernelFileSystem(path: string): Promise<string | undefined> {
  try {
    const { type } = await statfs(path);
    return kernelTypes.get(type >>> 0);
  } catch {
    return undefined;
  }
}
