import { readBoundedFile } from '../base/bounded-file.ts';
import type { Config } from '../config/schema.ts';
import type { Path } from '../config/schema-tree.ts';
import { readHtpasswd } from '../door/identity/htpasswd.ts';
import { faultOfScope } from '../door/tokens/client-scopes.ts';
import { type IssuerKeys, keysOfFile } from '../door/tokens/issuer-keys.ts';
import { type SigningKey, signingKeyOf } from '../door/tokens/signing-key.ts';

type Auth = NonNullable<Config['auth']>;

/** A file, or a secret, with which nobody could be known. */
export class IdentityFault extends Error {
  readonly path: Path;

  constructor(path: Path, message: string) {
    super(message);
    this.path = path;
  }
}

const maxBytes = 256 * 1024;
/** As long as what comes of it (RFC 7518 section 3.2): from a token whoever has one could find a shorter one by trying. Bytes. */
const leastSecretBytes = 32;

/** The key of the token service; undefined: one is to be made. Throws IdentityFault. */
export async function givenSigningKey({ tokenService }: Auth): Promise<SigningKey | undefined> {
  const pem = tokenService?.key?.reveal();
  const file = tokenService?.certificateFile ?? '';
  const at = ['auth', 'tokenService'];
  if (pem === undefined) {
    if (file !== '') throw new IdentityFault([...at, 'certificateFile'], 'has no effect without a key');
    return undefined;
  }
  faulty([...at, 'keyFile'], () => signingKeyOf(pem));
  if (file === '') return signingKeyOf(pem);
  const certificates = await readText([...at, 'certificateFile'], file);
  return faulty([...at, 'certificateFile'], () => signingKeyOf(pem, certificates));
}

/** The keys of an issuer, where they are in a file. Throws IdentityFault. */
export async function givenIssuerKeys(
  { keyFile }: Auth['issuers'][number],
  at: number,
): Promise<IssuerKeys | undefined> {
  if (keyFile === '') return undefined;
  const path = ['auth', 'issuers', at, 'keyFile'];
  const text = await readText(path, keyFile);
  return faulty(path, () => keysOfFile(text));
}

/** Undefined: tokens are signed with a key. Throws IdentityFault. */
export function sharedSecret({ oauth }: Auth): Uint8Array | undefined {
  if (oauth?.signing.algorithm !== 'HS256') return undefined;
  const bytes = Buffer.from(oauth.signing.secret?.reveal() ?? '');
  if (bytes.length >= leastSecretBytes) return bytes;
  const message = `the secret of HS256 must have ${leastSecretBytes} bytes or more`;
  throw new IdentityFault(['auth', 'oauth', 'signing', 'algorithm'], message);
}

/** Throws IdentityFault for a scope of a client that would not do what it is there for. */
export function checkScopes({ clients }: Pick<NonNullable<Auth['oauth']>, 'clients'>): void {
  for (const [at, { scopes }] of clients.entries())
    for (const [index, scope] of scopes.entries()) {
      const fault = faultOfScope(scope);
      if (fault !== undefined)
        throw new IdentityFault(['auth', 'oauth', 'clients', at, 'scopes', index], fault);
    }
}

/** What of it cannot be used, the first thing of each. */
export async function identityFaults({ auth }: Pick<Config, 'auth'>): Promise<readonly IdentityFault[]> {
  if (auth === undefined) return [];
  const looks = [
    async () => auth.basic && (await checkHtpasswd(auth.basic.htpasswdFile)),
    async () => await givenSigningKey(auth),
    async () => sharedSecret(auth),
    async () => auth.oauth && checkScopes(auth.oauth),
    ...auth.issuers.map((issuer, at) => async () => await givenIssuerKeys(issuer, at)),
  ];
  const found: IdentityFault[] = [];
  for (const look of looks) {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof IdentityFault)) throw error;
      found.push(error);
    }
  }
  return found;
}

async function checkHtpasswd(file: string): Promise<void> {
  try {
    await readHtpasswd(file);
  } catch (error) {
    throw htpasswdFault(file, error);
  }
}

export function htpasswdFault(file: string, error: unknown): IdentityFault {
  return new IdentityFault(['auth', 'basic', 'htpasswdFile'], `${JSON.stringify(file)}: ${messageOf(error)}`);
}

async function readText(path: Path, file: string): Promise<string> {
  try {
    return (await readBoundedFile(file, maxBytes)).toString('utf8');
  } catch (error) {
    throw new IdentityFault(path, `${JSON.stringify(file)}: ${messageOf(error)}`);
  }
}

function faulty<Made>(path: Path, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw new IdentityFault(path, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
