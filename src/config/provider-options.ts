import { providers } from '../credentials/providers/index.ts';
import type { ChosenProvider, Provider } from '../credentials/providers/provider.ts';
import type { Problem } from './problem.ts';
import { nearest } from './suggestion.ts';

type ProviderName = (typeof providers)[number]['name'];

export const providerNames: readonly ProviderName[] = providers.map(({ name }) => name);

/** A provider with its options as they are configured. To be asked with what {@link optionProblems} found right. */
export function chosenProvider(name: ProviderName, options: unknown): ChosenProvider {
  const found = providerOf(name);
  if (found === undefined) throw new TypeError(`there is no provider ${name}`);
  return found.choose(mappingOf(found, options).mapping);
}

/** What is wrong with the options of a provider; paths begin at the options. */
export function optionProblems(provider: unknown, options: unknown): Omit<Problem, 'at'>[] {
  const found = providerOf(provider);
  if (found === undefined) return [];
  const { mapping, problem } = mappingOf(found, options);
  if (problem !== undefined) return [{ path: [], message: problem }];
  const issues = found.options.safeParse(mapping).error?.issues ?? [];
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [key], message: unknownOption(found, key) }));
    return [{ path, message: issue.message }];
  });
}

/** The original's `key=value,key=value`, whose keys may be written in any case; or a mapping as it is. */
function mappingOf(provider: Provider, options: unknown): { mapping: unknown; problem?: string } {
  if (typeof options !== 'string') return { mapping: options ?? {} };
  const known = keysOf(provider);
  const mapping: Record<string, string> = {};
  for (const part of options.split(',').filter((piece) => piece.trim() !== '')) {
    const at = part.indexOf('=');
    // What has no "=" may be half of a secret: it is not quoted.
    if (at < 1) return { mapping, problem: 'must be text key=value,… or a mapping' };
    const key = part.slice(0, at).trim();
    mapping[known.find((name) => name.toLowerCase() === key.toLowerCase()) ?? key] = part
      .slice(at + 1)
      .trim();
  }
  return { mapping };
}

function unknownOption(provider: Provider, key: string): string {
  const known = keysOf(provider);
  const meant = nearest(key, known);
  const name = /^[\w-]{1,64}$/.test(key) ? ` ${JSON.stringify(key)}` : '';
  const hint = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
  return `unknown option${name} of ${provider.name}, which has ${known.join(', ')}${hint}`;
}

function keysOf({ options }: Provider): string[] {
  return Object.keys(options.shape);
}

function providerOf(name: unknown): Provider | undefined {
  return providers.find((provider) => provider.name === name);
}
