import { createPrivateKey, createPublicKey, type JsonWebKey, randomBytes } from 'node:crypto';
import { link, open, rename, unlink } from 'node:fs/promises';
import { readBoundedFile } from '../../base/bounded-file.ts';
import { stampKeyOf } from './client-stamp.ts';
import { type SigningKey, type VerifyingKey, verifyingKeyOf } from './signing-key.ts';

/** A key that tokens were or are signed with. Times in milliseconds since the epoch. */
export interface KeptKey extends VerifyingKey {
  readonly since: number;
  /** The end of the last token that it signed; undefined: it signs still. */
  readonly until: number | undefined;
  /** Of one that was made here; the others are kept by whoever gave them. Secret. */
  readonly privatePem: string | undefined;
  /** Stays with it when its private half goes, for the tokens that it has signed. Undefined: it has signed none of clients. Secret. */
  readonly stampKey: Uint8Array | undefined;
}

interface KeptText {
  readonly since: number;
  readonly until?: number;
  readonly public: JsonWebKey;
  readonly private?: string;
  readonly stamps?: string;
}

const maxBytes = 256 * 1024;

/** Those of the file; none, where there is no file. Throws an Error that says why it cannot be used, without a word of it. */
export async function readKeys(path: string): Promise<readonly KeptKey[]> {
  let bytes: Buffer;
  try {
    bytes = await readBoundedFile(path, maxBytes);
  } catch (error) {
    if (error instanceof Error && error.message === 'no such file') return [];
    throw error;
  }
  try {
    return (JSON.parse(bytes.toString('utf8')) as { keys: KeptText[] }).keys.map(keptKey);
  } catch {
    throw new Error(`${path} is not what was written there: remove it, and new keys are made`);
  }
}

/** For its owner alone, and whole or not at all. `isNew`: unless another has written it meanwhile, whose keys stay. */
export async function writeKeys(path: string, keys: readonly KeptKey[], isNew: boolean): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await written(beside, `${JSON.stringify({ keys: keys.map(textOf) })}\n`);
    if (isNew) await link(beside, path).catch(unlessThere);
    else await rename(beside, path);
  } finally {
    await unlink(beside).catch(() => undefined);
  }
}

/** Undefined: only its public half is here. */
export function signingOf({ privatePem, ...key }: KeptKey): SigningKey | undefined {
  if (privatePem === undefined) return undefined;
  const privateKey = createPrivateKey(privatePem);
  return { ...key, privateKey, stampKey: stampKeyOf(privateKey), x5c: undefined };
}

async function written(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

function keptKey({ since, until, public: jwk, private: privatePem, stamps }: KeptText): KeptKey {
  const key = verifyingKeyOf(createPublicKey({ key: jwk, format: 'jwk' }));
  const times = { since: Number(since), until: until === undefined ? undefined : Number(until) };
  const stampKey = stamps === undefined ? undefined : Buffer.from(stamps, 'base64url');
  return { ...key, ...times, privatePem, stampKey };
}

function textOf({ since, until, publicKey, privatePem, stampKey }: KeptKey): KeptText {
  return {
    since,
    ...(until !== undefined && { until }),
    public: publicKey.export({ format: 'jwk' }),
    ...(privatePem !== undefined && { private: privatePem }),
    ...(stampKey !== undefined && { stamps: Buffer.from(stampKey).toString('base64url') }),
  };
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
