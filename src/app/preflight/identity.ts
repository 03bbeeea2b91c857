import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import { identityFaults } from '../identity-files.ts';

/** What is wrong with the files by which clients are known. */
export async function identityProblems(config: Config): Promise<readonly Problem[]> {
  return (await identityFaults(config)).map(({ path, message }) => ({ path, message, at: 'value' }));
}
