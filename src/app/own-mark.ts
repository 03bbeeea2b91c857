import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import { rulesDecide } from './rules-decide.ts';

/**
 * A word in the User-Agent of what this server asks, by which it knows itself, and others with the same configuration: whoever could send it to itself, by a name in
 * the place of a registry that it does not know to be its own, would have what rules give to the address of this server. Undefined: there are no rules.
 */
export function ownMark(config: Config): string | undefined {
  if (!rulesDecide(config)) return undefined;
  const { publicUrl, registries, auth, access, policy, hosted } = config;
  // Secrets are no part of it: they are written as a word.
  const text = JSON.stringify({ publicUrl, registries, auth, access, policy, hosted });
  return `self ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}
