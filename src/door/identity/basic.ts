/** A user with his password, as RFC 7617 has them. Secret. */
export interface UserAndPassword {
  readonly user: string;
  readonly password: string;
}

/** No header has room for more. Characters. */
const maxLength = 16 * 1024;
const control = /\p{Cc}/u;

/** What the header Authorization shows; undefined: it is not there, or shows no user with a password. */
export function basicIn(authorization: string | undefined): UserAndPassword | undefined {
  const [, encoded] = /^basic +(\S+) *$/i.exec(authorization ?? '') ?? [];
  return encoded === undefined ? undefined : userAndPassword(encoded);
}

/** What it shows behind `Basic`; undefined: it is none of RFC 7617, whose texts have no control characters. */
export function userAndPassword(encoded: string): UserAndPassword | undefined {
  if (encoded.length > maxLength || !/^[A-Za-z0-9+/_-]+=*$/.test(encoded)) return undefined;
  const text = decoded(encoded);
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 1 || control.test(text)) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The header Authorization that shows them; undefined: no header can, and they are nobody's. */
export function basicText({ user, password }: UserAndPassword): string | undefined {
  if (user === '' || user.includes(':')) return undefined;
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Undefined: that is no UTF-8, and two who are not the same might become so. */
function decoded(encoded: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'));
  } catch {
    return undefined;
  }
}
