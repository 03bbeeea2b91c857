/** Who we are at a registry. */
export type Credential =
  | { readonly kind: 'anonymous' }
  /** Sent after a challenge asked for it, to the registry or to its token server. */
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A whole Authorization header, sent with the first request already. */
  | { readonly kind: 'static'; readonly authorization: string }
  /** Exchanged at the token server for access tokens (distribution, "OAuth2 Token Authentication"). */
  | { readonly kind: 'refresh'; readonly token: string };

/** `expiresAt` in milliseconds since the epoch; absent is never. */
export interface ProvidedCredential {
  readonly credential: Credential;
  readonly expiresAt?: number;
  /** Where in its source it was found, for a diagnosis: a file and a key. */
  readonly from?: string;
}

/** Where credentials come from. Asked for each request, so `get` answers from memory whenever it can. */
export interface CredentialProvider extends Partial<AsyncDisposable> {
  readonly name: string;
  /**
   * The same object as before means the same identity: a new one drops the tokens that were had with the old.
   * Throws RegistryError when there is none to be had.
   */
  get(options?: ProvideOptions): Promise<ProvidedCredential>;
  /**
   * The registry refused this credential. True: `get` now gives another, so that asking the registry once more may
   * help. A source is asked for a new one at most once a minute. Throws only the signal's reason. Absent: there is
   * never another.
   */
  renew?(refused: Credential, options?: ProvideOptions): Promise<boolean>;
  /**
   * The source for one repository, by its path at the registry, where repositories have credentials of their own. The same
   * object means the same identity: what is had with it (tokens) serves all repositories that it is given for. Throws as
   * `get`. Absent: there is one for all.
   */
  of?(repository: string): Promise<CredentialProvider>;
}

export interface ProvideOptions {
  /** Ends the waiting, not the asking, which others may wait for as well. */
  readonly signal?: AbortSignal | undefined;
}

/** A credential that never changes. */
export function staticCredentials(credential: Credential): CredentialProvider {
  const provided = { credential };
  return { name: 'static', get: async () => provided };
}

export const anonymous: Credential = { kind: 'anonymous' };

/**
 * The original's `token.static`: the text behind `Basic `, or a whole `Basic …` or `Bearer …` header value.
 */
export function staticCredential(text: string): Credential {
  const value = text.trim();
  return { kind: 'static', authorization: /^(basic|bearer)\s/i.test(value) ? value : `Basic ${value}` };
}

/** What in a credential is nobody else's business, in each form in which it is sent. Secret. */
export function secretsOf(credential: Credential): string[] {
  switch (credential.kind) {
    case 'anonymous':
      return [];
    case 'basic':
      return isSecretName(credential) ? [credential.password, credential.username] : [credential.password];
    case 'static':
      return secretsInHeader(credential.authorization);
    case 'refresh':
      return [credential.token];
  }
}

/** Does the token stand in the place of the name, as GitHub takes it, or may it? */
export function isSecretName({ username, password }: UserAndPassword): boolean {
  return (
    ['', 'x-oauth-basic', username].includes(password) || /^gh[a-z]_|^github_pat_|^glpat-/.test(username)
  );
}

/** The same of an Authorization header. */
export function secretsInHeader(authorization: string): string[] {
  const password = userOf({ kind: 'static', authorization })?.password;
  return [authorization.replace(/^\S+\s+/, ''), ...(password === undefined ? [] : [password])];
}

export interface UserAndPassword {
  readonly username: string;
  readonly password: string;
}

/** The user and the password that a credential holds, if it holds any (RFC 7617, UTF-8). */
export function userOf(credential: Credential): UserAndPassword | undefined {
  if (credential.kind === 'basic') return credential;
  const [, encoded] = basicHeaderOf(credential)?.split(/\s+/) ?? [];
  const [, username, password] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  return username === undefined || password === undefined ? undefined : { username, password };
}

/** The Basic header of a credential that holds a user and a password (RFC 7617, UTF-8). */
export function basicHeaderOf(credential: Credential): string | undefined {
  switch (credential.kind) {
    case 'basic':
      return `Basic ${Buffer.from(`${credential.username}:${credential.password}`, 'utf8').toString('base64')}`;
    case 'static':
      return /^basic\s/i.test(credential.authorization) ? credential.authorization : undefined;
    case 'anonymous':
    case 'refresh':
      return undefined;
  }
}
