import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type App, startApp } from '#src/app/app.ts';
import type { Clock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { LogLines } from './log-lines.ts';
import { secret } from './secrets.ts';

/** Where the example configurations are. */
export const examples = join(import.meta.dirname, '../../config/examples');

/** What the examples take from the environment. */
export const exampleSecrets = {
  CLIENT_SECRET: secret('of the program'),
  SIGNING_SECRET: secret('that the server and the proxy share'),
  REDIS_URL: 'redis://redis.test:6379',
};

interface Changes {
  readonly change?: (text: string) => string;
  readonly clock?: Clock;
  readonly env?: Readonly<Record<string, string>>;
}

/** An example as it stands there, but for ports, and for files, which are in this directory. Rejects where there is a warning. */
export async function exampleApp(
  name: string,
  directory: string,
  { change = (text) => text, clock, env = {} }: Changes = {},
): Promise<App> {
  const text = await readFile(join(examples, name), 'utf8');
  const moved = text
    .replaceAll(/port: \d+/g, 'port: 0')
    .replaceAll('host: 0.0.0.0', 'host: 127.0.0.1')
    .replaceAll(/ \.\/(?!data)/g, ` ${directory}/`);
  const file = join(directory, name);
  await writeFile(file, change(moved));
  const flags = { imagePath: join(directory, `${name}.data`) };
  const { config, warnings } = await loadConfig({ file, flags, env: { ...exampleSecrets, ...env } });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  const parts = { version: '0.0.0', env: {}, log: new LogLines() };
  return await startApp(config, { ...parts, ...(clock !== undefined && { clock }) });
}
