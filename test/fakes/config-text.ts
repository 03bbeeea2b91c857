import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '#src/config/config-error.ts';
import { type Flags, type LoadedConfig, loadConfig } from '#src/config/load.ts';

interface Surroundings {
  readonly flags?: Flags;
  readonly env?: NodeJS.ProcessEnv;
}

/** Loads a text as if it were a file. */
export async function loadText(
  yaml: string | Buffer,
  { flags = {}, env = {} }: Surroundings = {},
): Promise<LoadedConfig> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'config-'));
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, yaml);
  return await loadConfig({ file, flags, env });
}

/** What is wrong with a text, as if it were `config.yaml` in the working directory; none if nothing is. */
export async function problemsOf(
  yaml: string | Buffer,
  surroundings?: Surroundings,
): Promise<readonly string[]> {
  try {
    await loadText(yaml, surroundings);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.replace(/^\/\S*\/config\.yaml:/, 'config.yaml:'));
  }
}
