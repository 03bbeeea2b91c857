import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import type { ChosenProvider } from '../../credentials/providers/provider.ts';
import { credentialChoice } from '../credential-choice.ts';

/** Sources of credentials that are not there. They may come yet, so the start does not wait for them. */
export async function sourceWarnings(
  { registries, airGapped }: Config,
  env: NodeJS.ProcessEnv,
): Promise<Problem[]> {
  if (airGapped) return [];
  const found = registries.map(async (registry, index): Promise<Problem[]> => {
    const chosen = credentialChoice(registry);
    const message = chosen.kind === 'provider' ? await whatLacks(chosen.provider, env) : undefined;
    if (message === undefined) return [];
    return [{ path: ['registries', index, 'auth', 'token', 'providerOpts'], message, at: 'value' }];
  });
  return (await Promise.all(found)).flat();
}

async function whatLacks(
  { file, program }: ChosenProvider,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (program !== undefined && !(await isProgram(program, env)))
    return `there is no program ${JSON.stringify(program)} to be run`;
  return file === undefined ? undefined : await whyNoFile(file);
}

/** A folder may be meant, too. */
async function whyNoFile(file: string): Promise<string | undefined> {
  const stats = await stat(file).catch(() => undefined);
  if (stats === undefined) return `there is no ${JSON.stringify(file)} yet`;
  return stats.isFIFO() || stats.isSocket() ? `${JSON.stringify(file)} is no regular file` : undefined;
}

async function isProgram(name: string, { PATH = '' }: NodeJS.ProcessEnv): Promise<boolean> {
  const paths = name.includes('/') ? [name] : PATH.split(delimiter).map((folder) => join(folder, name));
  for (const path of paths) if (await isRunnable(path)) return true;
  return false;
}

async function isRunnable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
