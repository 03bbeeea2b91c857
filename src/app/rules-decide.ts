import type { Config } from '../config/schema.ts';

/** Do clients' rules say who may push and delete, and not each repository for itself? */
export function rulesDecide({ auth, access }: Pick<Config, 'auth' | 'access'>): boolean {
  return auth !== undefined || access !== undefined;
}
