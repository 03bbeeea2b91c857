import { soon } from '../base/soon.ts';
import type { Judge, Subject } from '../door/subject.ts';
import { type Access, type Authorise, admitAll } from '../http/authorise.ts';
import { RegistryError } from '../oci/error.ts';
import type { Identity } from './identity.ts';

/** Whoever is known pulls and pushes; what is deleted is a matter of rules. */
export const knownMay: Judge = ({ id }, action) => ({
  allowed: id !== undefined && (action === 'pull' || action === 'push'),
  rule: undefined,
});

/** Only those who are known come in, as far as their tokens go. Nobody is asked where there is no identity. */
export function knownOnly(identity: Identity | undefined): Authorise {
  if (identity === undefined) return admitAll;
  return (access) => soon(identity.identify(access.caller), (subject) => judged(subject, access, identity));
}

function judged(subject: Subject, access: Access, { challenge }: Identity): void {
  const { action, repository } = access;
  // The original's, where nobody is asked who he is.
  if (action === 'login') throw new RegistryError('NAME_UNKNOWN', 'no such endpoint in the distribution API');
  const isIn = subject.id !== undefined || (action === 'version' && subject.by === 'token');
  if (isIn && isGranted(subject, access)) return;
  if (isIn && subject.by === 'password')
    throw new RegistryError('DENIED', 'nobody may do this without a rule that says so');
  const error = isIn ? 'insufficient_scope' : undefined;
  throw new RegistryError('UNAUTHORIZED', undefined, {
    headers: { 'WWW-Authenticate': challenge(action, repository, error) },
  });
}

function isGranted({ granted }: Subject, { action, repository, request }: Access): boolean {
  if (granted === undefined) return action !== 'delete';
  if (action === 'version') return true;
  if (action === 'catalog')
    return granted.some(
      ({ repository: name, actions }) => name === 'registry:catalog' && actions.includes('*'),
    );
  const names = [repository, request !== undefined && 'name' in request ? request.name : undefined];
  return granted.some((grant) => names.includes(grant.repository) && grant.actions.includes(action));
}
