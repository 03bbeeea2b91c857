import * as z from 'zod';
import type { Problem } from './problem.ts';
import { nearest } from './suggestion.ts';
import { duration, list, text } from './values.ts';

const word = text({ min: 1 }).optional();
const awsIdentity = { profile: word, roleArn: word };

/** The options of each provider of tokens. */
const optionSchemas = {
  ecr: z.strictObject({ ...awsIdentity, region: word }),
  'ecr-public': z.strictObject(awsIdentity),
  gcp: z.strictObject({ keyFile: word, serviceAccount: word }),
  azure: z.strictObject({ clientId: word, tenantId: word, resource: word }),
  exec: z.strictObject({
    command: z.union([text({ min: 1 }), list(text({ min: 1 })).min(1)], {
      error: 'is required: a program, or a list of a program and its arguments',
    }),
    serverUrl: word,
    lifetime: duration({ min: '1s' }).optional(),
  }),
  dockerConfig: z.strictObject({ path: word }),
  file: z.strictObject({ path: text({ min: 1 }), user: word }),
};

type ProviderName = keyof typeof optionSchemas;

/** Which source of credentials, and how it is to be asked. */
export type ProviderChoice = {
  [Name in ProviderName]: {
    readonly provider: Name;
    readonly options: Readonly<z.output<(typeof optionSchemas)[Name]>>;
  };
}[ProviderName];

export const providerNames = Object.keys(optionSchemas) as ProviderName[];

/** The options of a provider that is configured. To be asked with what {@link optionProblems} found right. */
export function providerChoice(provider: ProviderName, options: unknown): ProviderChoice {
  const parsed = optionSchemas[provider].parse(mappingOf(provider, options).mapping);
  return { provider, options: parsed } as ProviderChoice;
}

/** What is wrong with the options of a provider; paths begin at the options. */
export function optionProblems(provider: unknown, options: unknown): Omit<Problem, 'at'>[] {
  if (!isProvider(provider)) return [];
  const { mapping, problem } = mappingOf(provider, options);
  if (problem !== undefined) return [{ path: [], message: problem }];
  const issues = optionSchemas[provider].safeParse(mapping).error?.issues ?? [];
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [key], message: unknownOption(provider, key) }));
    return [{ path, message: issue.message }];
  });
}

/** The original's `key=value,key=value`, whose keys may be written in any case; or a mapping as it is. */
function mappingOf(provider: ProviderName, options: unknown): { mapping: unknown; problem?: string } {
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

function unknownOption(provider: ProviderName, key: string): string {
  const known = keysOf(provider);
  const meant = nearest(key, known);
  const name = /^[\w-]{1,64}$/.test(key) ? ` ${JSON.stringify(key)}` : '';
  const hint = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
  return `unknown option${name} of ${provider}, which has ${known.join(', ')}${hint}`;
}

function keysOf(provider: ProviderName): string[] {
  return Object.keys(optionSchemas[provider].shape);
}

function isProvider(value: unknown): value is ProviderName {
  return typeof value === 'string' && Object.hasOwn(optionSchemas, value);
}
