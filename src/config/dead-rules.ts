import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema.ts';

type Access = NonNullable<Config['access']>[number];
type Policy = Config['policy'][number];

/** One line for each rule that can decide nothing, since one before it is about all that it is about: one that keeps out is an open door then. */
export function deadRules({ access = [], policy }: Config): string[] {
  return [
    ...deadIn('access', access, (before, rule: Access) => isSaidTo(before, rule) && hasAllOf(before, rule)),
    ...deadIn('policy', policy, (before, rule: Policy) => hasAllOf(before, rule)),
  ];
}

function deadIn<Rule extends { readonly name: string }>(
  key: string,
  rules: readonly Rule[],
  covers: (before: Rule, rule: Rule) => boolean,
): string[] {
  return rules.flatMap((rule, at) => {
    const first = rules.slice(0, at).find((before) => covers(before, rule));
    const [name, other] = [rule.name, first?.name].map((text) => JSON.stringify(text));
    return first === undefined
      ? []
      : [`${key}: the rule ${name} never decides: ${other} before it is about all that it is about`];
  });
}

function isSaidTo(before: Access, rule: Access): boolean {
  return before.who === 'anyone' || isDeepStrictEqual(before.who, rule.who);
}

/** As far as that can be told without comparing globs. */
function hasAllOf(before: Pick<Access, 'repositories'>, { repositories }: Pick<Access, 'repositories'>) {
  return repositories.every((glob) => before.repositories.some((other) => other === '**' || other === glob));
}
