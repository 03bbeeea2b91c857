import { own, type Wording, worded } from '../oci/wording.ts';
import { type Credential, isSecretName, type UserAndPassword } from './credentials.ts';

/** Who we are, without what proves it. */
export function identityOf(credential: Credential): string {
  switch (credential.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'basic':
      return userText(credential);
    case 'static':
      return `a ready ${/^bearer/i.test(credential.authorization) ? 'Bearer' : 'Basic'} header`;
    case 'refresh':
      return 'a refresh token';
  }
}

/** A user, without what proves that it is he: that may be the name itself. */
export function userText(user: UserAndPassword): string {
  return isSecretName(user) ? 'a user whose name is a secret' : `user ${JSON.stringify(user.username)}`;
}

/**
 * As whom a request was sent, for the end of a sentence; who that is, clients are not told. Undefined: as nobody, for whom there may be no
 * credential, or none to be sent there.
 */
export function asWhom(credential: Credential | undefined): Wording {
  if (credential === undefined || credential.kind === 'anonymous') return worded`without credentials`;
  const by = credential.kind === 'basic' ? 'as' : 'with';
  return own(`${by} ${identityOf(credential)}`, 'with the configured credential');
}
