import crypto from 'node:crypto';
import { hash } from 'bcryptjs';
import { bcryptBytes } from './password-hash.ts';

/** Of Node.js 24.7 on. */
const { argon2Sync } = crypto as Partial<typeof crypto>;

export type HashAlgorithm = 'bcrypt' | 'argon2id';

const bcryptCost = 10;
/** Bytes. */
const longest = 1024;
/** The second of RFC 9106 section 4: memory in KiB, passes, lanes. */
const [memory, passes, lanes] = [64 * 1024, 3, 4];

/** What stands behind the user in a password file. Throws an Error that says why the password cannot be one, without a word of it. */
export async function newHash(password: string, algorithm: HashAlgorithm): Promise<string> {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0) throw new Error('the password is empty');
  if (bytes > longest) throw new Error(`the password is longer than ${longest} bytes`);
  // No client could send it (RFC 7617 section 2).
  if (/\p{Cc}/u.test(password)) throw new Error('the password has a control character');
  if (algorithm === 'argon2id') return argon2id(password);
  if (bytes > bcryptBytes)
    throw new Error(`bcrypt takes passwords of at most ${bcryptBytes} bytes: use --algorithm argon2id`);
  return await hash(password, bcryptCost);
}

function argon2id(message: string): string {
  if (argon2Sync === undefined) throw new Error('this Node.js has no argon2: it needs 24.7 or newer');
  const nonce = crypto.randomBytes(16);
  const tag = argon2Sync('argon2id', { message, nonce, parallelism: lanes, tagLength: 32, memory, passes });
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${text(nonce)}$${text(tag)}`;
}
