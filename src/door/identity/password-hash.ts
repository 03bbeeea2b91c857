import crypto, { timingSafeEqual } from 'node:crypto';
import { compareSync } from 'bcryptjs';

/** Of Node.js 24.7 on. */
const { argon2Sync } = crypto as Partial<typeof crypto>;

/** What one hash may take. Passes double with each step of bcrypt's cost; argon2's memory is in KiB. */
const most = { cost: 14, memory: 256 * 1024, passes: 16, lanes: 16, saltBytes: 64, tagBytes: 128 } as const;
const leastCost = 4;
/** bcrypt does not look at what is behind it. Bytes. */
export const bcryptBytes = 72;
const bcryptForm = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const argon2Form =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{16,})$/;

interface Argon2 {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

/** Others that password files have, by how they begin. */
const others: readonly (readonly [begin: string, name: string])[] = [
  ['$apr1$', 'MD5'],
  ['$1$', 'MD5'],
  ['{SHA}', 'SHA-1'],
  ['$5$', 'SHA-256 crypt'],
  ['$6$', 'SHA-512 crypt'],
  ['$y$', 'yescrypt'],
  ['$2x$', 'a wrong bcrypt, $2x$'],
  ['$argon2i$', 'argon2i'],
  ['$argon2d$', 'argon2d'],
];

/** What is wrong with the hash of a password, in words that do not quote it; undefined: it can be used. */
export function faultOfHash(hash: string): string | undefined {
  const [, cost] = bcryptForm.exec(hash) ?? [];
  if (cost !== undefined) return faultOfCost(Number(cost));
  const argon2 = argon2Of(hash);
  if (argon2 !== undefined) return faultOfArgon2(argon2);
  const other = others.find(([begin]) => hash.startsWith(begin));
  const what = other === undefined ? 'is no hash that is known' : `is hashed by ${other[1]}`;
  return `the password ${what}: only bcrypt ($2a$, $2b$, $2y$) and $argon2id$ are taken (ociregistry htpasswd writes them)`;
}

/** Of a hash that {@link faultOfHash} has nothing against. It takes the processor for as long as the hash says: off the main thread only. */
export function isPasswordOf(hash: string, password: string): boolean {
  const argon2 = argon2Of(hash);
  // What is too long is compared all the same, and takes as long as any other that is wrong.
  if (argon2 === undefined) return compareSync(password, hash) && Buffer.byteLength(password) <= bcryptBytes;
  if (argon2Sync === undefined) return false;
  const { memory, passes, parallelism, salt: nonce, tag } = argon2;
  const made = argon2Sync('argon2id', {
    ...{ message: password, nonce, parallelism, tagLength: tag.length, memory, passes },
  });
  return timingSafeEqual(made, tag);
}

function faultOfCost(cost: number): string | undefined {
  if (cost >= leastCost && cost <= most.cost) return undefined;
  return `the cost of bcrypt must be from ${leastCost} to ${most.cost}, not ${cost}`;
}

function faultOfArgon2({ memory, passes, parallelism, salt, tag }: Argon2): string | undefined {
  if (argon2Sync === undefined) return 'this Node.js has no argon2: it needs 24.7 or newer';
  if (memory > most.memory) return `argon2id may take ${most.memory} KiB (m), not ${memory}`;
  if (parallelism < 1 || parallelism > most.lanes) return `argon2id may have 1 to ${most.lanes} lanes (p)`;
  if (memory < 8 * parallelism) return 'argon2id needs 8 KiB (m) for each lane (p)';
  if (passes < 1 || passes > most.passes) return `argon2id may have 1 to ${most.passes} passes (t)`;
  const isShort = salt.length <= most.saltBytes && tag.length <= most.tagBytes;
  return isShort ? undefined : 'the salt or the hash of argon2id is too long';
}

/** A text of the PHC string format; undefined: it is none. */
function argon2Of(hash: string): Argon2 | undefined {
  const [, memory, passes, parallelism, salt, tag] = argon2Form.exec(hash) ?? [];
  if (salt === undefined || tag === undefined) return undefined;
  const [m, t, p] = [Number(memory), Number(passes), Number(parallelism)];
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  return { memory: m, passes: t, parallelism: p, salt: bytes(salt), tag: bytes(tag) };
}
