import type * as z from 'zod';
import { readBoundedFile } from '../base/bounded-file.ts';
import type { Problem } from './problem.ts';
import { type Path, type Place, places } from './schema-tree.ts';
import { Secret } from './secret.ts';

const maxSecretBytes = 64 * 1024;
/** It is not quoted, nor is the key named into which it belongs: not every secret may stand in the file. */
const noName =
  'must be the name of an environment variable (letters, digits and _), and not the secret itself';

interface Secrets {
  readonly found: readonly { readonly path: Path; readonly secret: Secret }[];
  readonly problems: readonly Problem[];
}

/** Fetches the secrets that the configuration keeps elsewhere: in the environment, in files. */
export async function resolveSecrets(
  schema: z.ZodType,
  input: unknown,
  environment: NodeJS.ProcessEnv,
): Promise<Secrets> {
  const found: { path: Path; secret: Secret }[] = [];
  const problems: Problem[] = [];
  for (const [first, second] of sources(schema, input)) {
    if (first === undefined) continue;
    try {
      if (second !== undefined)
        throw new Error(`only one of ${lastKey(first)} and ${lastKey(second)} may be set`);
      const text = await secretText(first, environment);
      const path = [...first.path.slice(0, -1), first.secret?.name ?? ''];
      if (text !== undefined) found.push({ path, secret: new Secret(text) });
    } catch (error) {
      const { path } = second ?? first;
      problems.push({ path, message: error instanceof Error ? error.message : String(error), at: 'value' });
    }
  }
  return { found, problems };
}

/** For each secret the keys that are set for it. */
function sources(schema: z.ZodType, input: unknown): Iterable<Place[]> {
  const set = [...places(schema, input)].filter(
    ({ secret, value }) => secret !== undefined && typeof value === 'string' && value !== '',
  );
  return Map.groupBy(set, ({ path, secret }) => JSON.stringify([path.slice(0, -1), secret?.name])).values();
}

/** Undefined for a literal, which is where it should be already. */
async function secretText(
  { secret, value }: Place,
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const source = String(value);
  switch (secret?.from) {
    case 'environment':
      // What cannot be a name is probably the secret itself.
      if (!/^[A-Za-z_]\w*$/.test(source)) throw new Error(noName);
      return nonEmpty(environment[source], `the environment variable ${source} is not set`);
    case 'file':
      return nonEmpty(await secretFile(source), `the file ${JSON.stringify(source)} is empty`);
    default:
      return undefined;
  }
}

async function secretFile(path: string): Promise<string> {
  try {
    return (await readBoundedFile(path, maxSecretBytes)).toString('utf8').replace(/[\r\n]+$/, '');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the file ${JSON.stringify(path)}: ${reason}`, { cause });
  }
}

function nonEmpty(text: string | undefined, otherwise: string): string {
  if (text === undefined || text === '') throw new Error(otherwise);
  return text;
}

function lastKey({ path }: Place): string {
  return String(path.at(-1));
}
