import { type Clock, systemClock } from '../../base/clock.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { openCredentials } from '../../config/open-credentials.ts';
import { openPasswords } from '../../config/open-passwords.ts';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import { checkProxies } from '../policies.ts';
import { coordinationProblems } from './coordination.ts';
import { listeningFindings } from './listening.ts';
import { secretFileWarnings } from './open-secrets.ts';
import { imagePathProblems, logFileProblems, servedDirectoryProblems } from './paths.ts';
import { sourceWarnings } from './sources.ts';
import { tlsFindings } from './tls.ts';

/** Each one line, without a secret. */
export interface Preflight {
  /** With these it does not start. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

export interface PreflightOptions {
  readonly env: NodeJS.ProcessEnv;
  /** No start follows, which would try to listen by itself, and wait for files with a port open for who asks whether it lives. */
  readonly tryPorts: boolean;
  /** Default: that of the system. */
  readonly clock?: Clock;
}

/** Who starts does not wait longer for a file system here. Milliseconds. */
const patienceMs = 10_000;
const tooLate =
  'the files and directories that the configuration names were not looked at before the start: a file system does not answer';

/** What the start would stumble over that is not in the configuration itself: files, directories, addresses. It changes nothing. */
export async function preflight(loaded: LoadedConfig, options: PreflightOptions): Promise<Preflight> {
  const { tryPorts, clock = systemClock } = options;
  const looking = look(loaded, options);
  if (tryPorts) return await looking;
  const late = Promise.withResolvers<Preflight>();
  using _ = clock.after(patienceMs, () => late.resolve({ problems: [], warnings: [tooLate] }));
  return await Promise.race([looking, late.promise]);
}

async function look(
  { config, file, located }: LoadedConfig,
  { env, tryPorts }: PreflightOptions,
): Promise<Preflight> {
  const listening = tryPorts ? await listeningFindings(config) : { problems: [], warnings: [] };
  const tls = await tlsFindings(config);
  const problems: Problem[] = [
    ...(await imagePathProblems(config)),
    ...(await logFileProblems(config)),
    ...(await servedDirectoryProblems(config)),
    ...tls.problems,
    ...(await identityProblemsOf(config)),
    ...coordinationProblems(config),
    ...listening.problems,
  ];
  const warnings: Problem[] = [
    ...listening.warnings,
    ...tls.warnings,
    ...(await sourceWarnings(config, env)),
    ...(await secretFileWarnings(config, file)),
  ];
  return {
    problems: [...located(problems), ...proxyProblems(() => checkProxies(config, env))],
    warnings: [...openCredentials(config), ...openPasswords(config), ...located(warnings)],
  };
}

/** Loaded where it is configured alone: each start goes through here. */
async function identityProblemsOf(config: Config): Promise<readonly Problem[]> {
  if (config.auth === undefined) return [];
  const { identityProblems } = await import('./identity.ts');
  return await identityProblems(config);
}

function proxyProblems(check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
