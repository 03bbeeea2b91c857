import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The variables that the Dockerfile sets for the server. */
export async function imageEnvironment(): Promise<Record<string, string>> {
  const text = await readFile(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
  const lines = text.matchAll(/^ENV (.+)$/gm);
  const variables = [...lines].flatMap(([, line = '']) => [...line.matchAll(/(\w+)=(\S+)/g)]);
  return Object.fromEntries(variables.map(([, name = '', value = '']) => [name, value]));
}
