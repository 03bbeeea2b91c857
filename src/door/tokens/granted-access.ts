import type { RepositoryName } from '../../oci/reference.ts';
import type { Judge, RuledAction, Subject } from '../subject.ts';
import type { Access } from './asked-access.ts';

/** Who says what a token may be good for. */
export interface GrantingParts {
  readonly judge: Judge;
  /** The repository that a name means; undefined: none. */
  readonly repositoryNamed: (name: string) => RepositoryName | undefined;
  /** May he see the names of all repositories? */
  readonly mayList: (subject: Subject) => boolean;
}

const ruled: readonly RuledAction[] = ['pull', 'push', 'delete'];

/** What was asked, as far as it is allowed: names as they were asked. What nothing is allowed of is left out. */
export function grantedAccess(
  asked: readonly Access[],
  subject: Subject,
  parts: GrantingParts,
): readonly Access[] {
  return asked
    .map((access) => ({ ...access, actions: allowedActions(access, subject, parts) }))
    .filter(({ actions }) => actions.length > 0);
}

function allowedActions(
  { type, name, actions }: Access,
  subject: Subject,
  { judge, repositoryNamed, mayList }: GrantingParts,
): readonly string[] {
  if (type === 'registry' && name === 'catalog')
    return actions.includes('*') && mayList(subject) ? ['*'] : [];
  const repository = type === 'repository' ? repositoryNamed(name) : undefined;
  if (repository === undefined) return [];
  const all = actions.includes('*');
  const wanted = all ? ruled : ruled.filter((action) => actions.includes(action));
  const allowed = wanted.filter((action) => judge(subject, action, repository).allowed);
  return all && allowed.length === ruled.length ? [...allowed, '*'] : allowed;
}
