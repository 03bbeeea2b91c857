import { components, find, obstacle } from './components.ts';

/** Test options that skip, with the reason, where one of the programs cannot be used. */
export function needs(...names: readonly string[]): { skip: string | false } {
  const reasons = names.flatMap((name) => obstacle(component(name)) ?? []);
  return { skip: reasons.length > 0 ? reasons.join(', ') : false };
}

/** The path of a program that `needs` has let pass. */
export function programOf(name: string): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

function component(name: string) {
  const found = components.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`test/setup/components.ts does not know ${name}`);
  return found;
}
