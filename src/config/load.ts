import { readBoundedFile } from '../base/bounded-file.ts';
import { ConfigError } from './config-error.ts';
import { notYet } from './key.ts';
import { flagName, isFlag, located, type Origins } from './located.ts';
import { pathText } from './path-text.ts';
import { type Problem, problemsOf } from './problem.ts';
import { type Config, type ConfigInput, configSchema } from './schema.ts';
import type { Path } from './schema-tree.ts';
import { Secret } from './secret.ts';
import { resolveSecrets } from './secrets.ts';
import { findUnbuilt } from './unbuilt.ts';
import { usable } from './usable.ts';
import { warningsOf } from './warnings.ts';
import { YamlSource } from './yaml-source.ts';

const maxFileBytes = 1024 * 1024;

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

export interface ReadConfig {
  /** Everything that is wrong, each one line without a secret; none: it may be used. */
  readonly problems: readonly string[];
  /** Without what is wrong, as it will be when that is mended: for what else can be found of it now. Undefined: nothing is left. */
  readonly rest: LoadedConfig | undefined;
}

/** Flags over file over defaults. Throws ConfigError with everything that is wrong with them. */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { problems, rest } = await readConfig(options);
  if (problems.length > 0 || rest === undefined) throw new ConfigError(problems);
  return rest;
}

/** The same for whoever goes on. Throws ConfigError for what is no file, or no YAML. */
export async function readConfig({ file, flags, env }: LoadOptions): Promise<ReadConfig> {
  const source = file === undefined ? undefined : new YamlSource(await readText(file), file);
  const origins = { file, source, flags };
  const read = (): unknown => withFlags(source?.value(configSchema), flags);
  const input = read();
  const parsed = configSchema.safeParse(input);
  const { ignored, refused } = findUnbuilt(configSchema, input);
  const secrets = await resolveSecrets(configSchema, input, env);
  const mistakes = parsed.success ? [] : problemsOf(parsed.error.issues, configSchema);
  const untaken = source?.untaken ?? [];
  // The first of a key is told: what is not taken is lacking for that alone.
  const problems = [...untaken, ...mistakes, ...secrets.problems, ...refused];
  if (!parsed.success || untaken.length > 0)
    return { problems: located(problems, origins), rest: restOf(read(), origins) };
  for (const { path, secret } of secrets.found) put(parsed.data, path, secret);
  const names = ignored.map((path) => (isFlag(path, flags) ? flagName(path) : pathText(path)));
  const unbuilt = names.length > 0 ? [`${notYet}, and ignored: ${names.join(', ')}`] : [];
  const config = frozen(parsed.data);
  return {
    problems: located(problems, origins),
    rest: {
      config,
      warnings: [...unbuilt, ...warningsOf(config)],
      file,
      located: (found) => located(found, origins),
    },
  };
}

/** What is right of a configuration. Of a key that is wrong its default tells nothing. */
function restOf(input: unknown, origins: Origins): LoadedConfig | undefined {
  const registries = listOf(input);
  const left = usable(configSchema, input);
  if (left === undefined) return undefined;
  const kept = listOf(input);
  const untaken = (origins.source?.untaken ?? []).filter(({ path }) => path.length === 1);
  const defaulted = left.defaulted.union(new Set(untaken.map(({ path: [key] }) => String(key))));
  return {
    config: frozen(left.config),
    warnings: [],
    file: origins.file,
    located: (found) => {
      const meant = found.filter(({ path: [key] }) => !defaulted.has(String(key)));
      return located(
        meant.map((problem) => moved(problem, kept, registries)),
        origins,
      );
    },
  };
}

function listOf(input: unknown): readonly unknown[] {
  const registries: unknown =
    typeof input === 'object' && input !== null ? Reflect.get(input, 'registries') : undefined;
  return Array.isArray(registries) ? [...registries] : [];
}

/** From the place among the registries that are left to that among all. */
function moved(problem: Problem, left: readonly unknown[], all: readonly unknown[]): Problem {
  const [key, index, ...path] = problem.path;
  if (key !== 'registries' || typeof index !== 'number') return problem;
  return { ...problem, path: [key, all.indexOf(left[index]), ...path] };
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(
      await readBoundedFile(file, maxFileBytes, { orShellPipe: true }),
    );
  } catch (cause) {
    const reason =
      cause instanceof TypeError
        ? 'not valid UTF-8: save it as UTF-8 (iconv -t UTF-8), or is it another file?'
        : cause instanceof Error
          ? cause.message
          : cause;
    throw new ConfigError([`${file}: ${reason}`]);
  }
}

function withFlags(input: unknown, flags: Flags): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input ?? { ...flags };
  return { ...input, ...flags };
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
