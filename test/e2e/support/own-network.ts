import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

/** What stands before a command so that it has a network of its own without any routes; nothing where no process may have one. */
export async function ownNetwork(): Promise<readonly string[]> {
  // Who is somebody else in there cannot unpack an image.
  for (const options of [['--net'], ['--map-root-user', '--net']]) {
    const [file, ...args] = ['unshare', ...options, ...inside] as const;
    const isPossible = await promisify(execFile)(file, [...args, 'true']).then(
      () => true,
      () => false,
    );
    if (isPossible) return [file, ...args];
  }
  return [];
}
