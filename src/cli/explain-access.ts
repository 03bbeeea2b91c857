import { type AccessQuestion, explainAccess } from '../app/explain-access.ts';
import type { Config } from '../config/schema.ts';

export type AccessOrder = AccessQuestion & { readonly output: 'text' | 'json' };

/** Prints which rule decides, and why those before it do not. True: he may. Throws RegistryError for a name that is none. */
export function explain(
  config: Config,
  { output, ...asked }: AccessOrder,
  stdout: { write(text: string): unknown },
): boolean {
  const { allowed, question, reasons } = explainAccess(config, asked);
  if (output === 'json') stdout.write(`${JSON.stringify({ question, allowed, reasons }, undefined, 2)}\n`);
  else stdout.write(`${question}: ${allowed ? 'allowed' : 'denied'}\n${reasons.map(lineOf).join('')}`);
  return allowed;
}

function lineOf(reason: string): string {
  return `  ${reason}\n`;
}
