import type { Grant } from '../subject.ts';
import { askedAccess } from './asked-access.ts';
import { scopeWord } from './asked-scopes.ts';

/** What a program's scopes let its tokens do, besides what the rules say. Undefined: they say nothing of repositories, and the rules alone decide. */
export function grantedTo(
  configured: readonly string[],
  inToken: readonly string[],
): readonly Grant[] | undefined {
  if (configured.some(isOfRepositories))
    return grantsIn(inToken.filter((scope) => configured.includes(scope)));
  return inToken.some(isOfRepositories) ? grantsIn(inToken) : undefined;
}

/** What is wrong with a scope that is configured; undefined: nothing. What names repositories must be understood, for it is there to keep out of others. */
export function faultOfScope(scope: string): string | undefined {
  if (!scopeWord.test(scope))
    return 'must be one scope, of visible ASCII without spaces, quotes and backslashes: each is an entry of its own';
  if (!isOfRepositories(scope) || grantsIn([scope]).length === 1) return undefined;
  return 'must be repository:NAME:ACTIONS, of one repository by its whole name: pull, push, delete or *, with commas between them';
}

/** Also in a way that is not understood, which grants nothing. */
function isOfRepositories(scope: string): boolean {
  return /^repository/i.test(scope);
}

function grantsIn(scopes: readonly string[]): readonly Grant[] {
  return askedAccess(scopes)
    .filter(({ type }) => type === 'repository')
    .map(({ name: repository, actions }) => ({ repository, actions }));
}
