import type { Credential } from '../credentials/credentials.ts';

/** Who we are, without what proves it. */
export function identityOf(credential: Credential): string {
  switch (credential.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'basic':
      return `user ${JSON.stringify(credential.username)}`;
    case 'static':
      return `a ready ${/^bearer/i.test(credential.authorization) ? 'Bearer' : 'Basic'} header`;
    case 'refresh':
      return 'a refresh token';
  }
}
