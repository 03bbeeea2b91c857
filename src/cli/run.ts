import { type Flags, type LoadedConfig, loadConfig } from '../config/load.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { AccessOrder } from './explain-access.ts';
import type { LoadOrder } from './load.ts';
import type { ProgramParts } from './program-parts.ts';

/** Runs a command by what stood behind it; the exit code. */
export type Run = (
  flags: Flags & OwnFlags,
  parts: ProgramParts,
  operands: readonly string[],
) => Promise<number>;

/** Flags that are no keys of the configuration. */
export interface OwnFlags {
  readonly output?: 'text' | 'json' | 'table';
  readonly platform?: LoadOrder['platforms'];
  readonly referrers?: boolean;
  readonly parallel?: number;
  readonly repair?: boolean;
  readonly rebuild?: boolean;
  readonly rate?: number;
  readonly header?: boolean;
  readonly pattern?: string | readonly string[];
  readonly shortDigest?: boolean;
  readonly date?: Date;
  readonly notUsedFor?: number;
  readonly keep?: number;
  readonly dryRun?: boolean;
  readonly wide?: boolean;
  readonly chunkSize?: number;
  readonly since?: string;
  readonly usedSince?: number | Date;
  readonly wanted?: string;
  readonly as?: RegistryHost;
  readonly repository?: string;
  readonly action?: AccessOrder['action'];
  readonly user?: string;
  readonly client?: string;
  readonly subject?: string;
  readonly issuer?: string;
  readonly group?: readonly string[];
  readonly claim?: readonly (readonly [name: string, value: string])[];
  readonly certificate?: string;
  readonly address?: string;
  readonly file?: string;
  readonly algorithm?: 'bcrypt' | 'argon2id';
}

/** Throws ConfigError. */
export async function readWhole(flags: Flags, { env }: ProgramParts): Promise<LoadedConfig> {
  return await loadConfig({ file: fileOf(flags), flags, env });
}

export function fileOf({ configFile }: Flags): string | undefined {
  return configFile === '' ? undefined : configFile;
}
