import { type Credential, isSecretName } from './credentials.ts';

/** Who we are, without what proves it. */
export function identityOf(credential: Credential): string {
  switch (credential.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'basic':
      return isSecretName(credential)
        ? 'a user whose name is a secret'
        : `user ${JSON.stringify(credential.username)}`;
    case 'static':
      return `a ready ${/^bearer/i.test(credential.authorization) ? 'Bearer' : 'Basic'} header`;
    case 'refresh':
      return 'a refresh token';
  }
}

/** As whom a request was sent, for the end of a sentence. Undefined: as nobody, for whom there may be no credential, or none to be sent there. */
export function asWhom(credential: Credential | undefined): string {
  if (credential === undefined || credential.kind === 'anonymous') return 'without credentials';
  return `${credential.kind === 'basic' ? 'as' : 'with'} ${identityOf(credential)}`;
}
