import { readBoundedFile } from '../base/bounded-file.ts';
import { ConfigError } from './config-error.ts';
import { halfCredentials } from './half-credentials.ts';
import { notYet } from './key.ts';
import { namelessRegistries } from './nameless-registries.ts';
import { type Problem, pathText, problemsOf } from './problem.ts';
import { type Config, type ConfigInput, configSchema } from './schema.ts';
import type { Path } from './schema-tree.ts';
import { Secret } from './secret.ts';
import { resolveSecrets } from './secrets.ts';
import { unaskedClients } from './unasked-clients.ts';
import { findUnbuilt } from './unbuilt.ts';
import { YamlSource } from './yaml-source.ts';

const maxFileBytes = 1024 * 1024;
/** More are counted, not listed. */
const maxProblems = 100;

/** Flags of the command line, by the key that each overrides. Absent ones were not given. */
export type Flags = Partial<ConfigInput>;

export interface LoadOptions {
  readonly file?: string | undefined;
  readonly flags: Flags;
  readonly env: NodeJS.ProcessEnv;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Each one line, without a secret. */
  readonly warnings: readonly string[];
  readonly file: string | undefined;
  /** One line for each, with the place of its key: for what is found of the configuration later. */
  readonly located: (problems: readonly Problem[]) => string[];
}

/** Flags over file over defaults. Throws ConfigError with everything that is wrong with them. */
export async function loadConfig({ file, flags, env }: LoadOptions): Promise<LoadedConfig> {
  const source = file === undefined ? undefined : new YamlSource(await readText(file), file);
  const input = withFlags(source?.value(configSchema), flags);
  const parsed = configSchema.safeParse(input);
  const { ignored, refused } = findUnbuilt(configSchema, input);
  const secrets = await resolveSecrets(configSchema, input, env);
  const mistakes = parsed.success ? [] : problemsOf(parsed.error.issues, configSchema);
  const problems = [...mistakes, ...secrets.problems, ...refused];
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(located(problems, { file, source, flags }));
  }
  for (const { path, secret } of secrets.found) put(parsed.data, path, secret);
  const names = ignored.map((path) => (isFlag(path, flags) ? flagName(path) : pathText(path)));
  const unbuilt = names.length > 0 ? [`${notYet}, and ignored: ${names.join(', ')}`] : [];
  const config = frozen(parsed.data);
  return {
    config,
    warnings: [
      ...unbuilt,
      ...halfCredentials(config),
      ...unaskedClients(config),
      ...namelessRegistries(config),
    ],
    file,
    located: (found) => located(found, { file, source, flags }),
  };
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readBoundedFile(file, maxFileBytes));
  } catch (cause) {
    const reason =
      cause instanceof TypeError ? 'not valid UTF-8' : cause instanceof Error ? cause.message : cause;
    throw new ConfigError([`${file}: ${reason}`]);
  }
}

function withFlags(input: unknown, flags: Flags): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input ?? flags;
  return { ...input, ...flags };
}

interface Sources {
  readonly file: string | undefined;
  readonly source: YamlSource | undefined;
  readonly flags: Flags;
}

/** One line for each key that is wrong: flags first, then the file from top to bottom. */
function located(problems: readonly Problem[], { file, source, flags }: Sources): string[] {
  const byKey = Map.groupBy(problems, ({ path }) => pathText(path))
    .values()
    .toArray();
  const lines = byKey.slice(0, maxProblems).flatMap(([problem]) => {
    if (problem === undefined) return [];
    const { path, message, at } = problem;
    if (source === undefined || isFlag(path, flags))
      return [{ offset: -1, text: `${flagName(path)}: ${message}` }];
    const { offset, line, column } = source.locate(path, at);
    const key = path.length === 0 ? '' : `${pathText(path)}: `;
    return [{ offset, text: `${file}:${line}:${column}: ${key}${message}` }];
  });
  const more = byKey.length - lines.length;
  const texts = lines.sort((a, b) => a.offset - b.offset).map(({ text }) => text);
  return more > 0 ? [...texts, `and ${more} more`] : texts;
}

function isFlag(path: Path, flags: Flags): boolean {
  return path[0] !== undefined && Object.hasOwn(flags, path[0]);
}

function flagName([key = '']: Path): string {
  return `--${String(key).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function put(target: unknown, path: Path, secret: Secret): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, step) => Reflect.get(at as object, step), target);
  Reflect.set(parent as object, path.at(-1) ?? '', secret);
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value;
  for (const child of Object.values(value)) frozen(child);
  return Object.freeze(value);
}
