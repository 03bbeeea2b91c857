import { readBoundedFile } from '../../base/bounded-file.ts';
import { faultOfHash } from './password-hash.ts';

/** Some ten thousand users. */
const maxBytes = 1024 * 1024;
const maxUser = 255;
const unfit = /[\p{Cc}\s:]/u;

/** Hashes of passwords, by user. */
export type Users = ReadonlyMap<string, string>;

/** Throws an Error that says why the file cannot be used. */
export async function readHtpasswd(path: string): Promise<Users> {
  return parseHtpasswd((await readBoundedFile(path, maxBytes)).toString('utf8'));
}

/** As Apache's htpasswd writes it: `user:hash` a line. Throws an Error that names the line, and quotes no hash. */
export function parseHtpasswd(text: string): Users {
  const users = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const [user, hash] = entryIn(entry, `line ${index + 1}`);
    if (users.has(user))
      throw new Error(`line ${index + 1}: the user ${JSON.stringify(user)} is there twice`);
    users.set(user, hash);
  }
  return users;
}

/** Can a line of the file begin with it? */
export function isUserName(user: string): boolean {
  return user !== '' && user.length <= maxUser && !unfit.test(user) && !user.startsWith('#');
}

function entryIn(entry: string, line: string): [user: string, hash: string] {
  const colon = entry.indexOf(':');
  if (colon < 1) throw new Error(`${line}: it must be user:hash`);
  const user = entry.slice(0, colon);
  if (!isUserName(user)) throw new Error(`${line}: this is no name of a user`);
  const hash = entry.slice(colon + 1);
  const fault = faultOfHash(hash);
  if (fault !== undefined) throw new Error(`${line}: ${fault}`);
  return [user, hash];
}
