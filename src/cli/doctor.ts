import { checkProxies } from '../app/policies.ts';
import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../config/config-error.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { examineAll } from '../doctor/examination.ts';
import { type Report, textOf } from '../doctor/report.ts';
import { subjectsOf } from '../doctor/subject.ts';
import { NameLookups } from '../net/dial/name-lookups.ts';
import { TlsTrust } from '../net/dial/tls-trust.ts';
import { lookupThreads } from '../process/thread-pool.ts';
import { Interruption } from './interruption.ts';

export interface DoctorOrder {
  /** Registries and images; none is all registries of the configuration. */
  readonly names: readonly string[];
  readonly output: 'text' | 'json';
}

export interface DoctorParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: { write(text: string): unknown };
}

/**
 * Says how far a pull comes at each registry. True: nothing failed. SIGINT and SIGTERM end it; what is not done by then has
 * failed. Throws RegistryError for a name that is none, and ConfigError for what is wrong with the proxies of the environment.
 */
export async function doctor(
  { config }: LoadedConfig,
  { names, output }: DoctorOrder,
  { version, env, stdout }: DoctorParts,
): Promise<boolean> {
  const subjects = subjectsOf(config, names);
  checkEnvironment(config, env);
  using interruption = new Interruption();
  // The pauses of the server's own code (Clock) do not keep a process alive.
  using _alive = setInterval(() => {}, 60_000);
  const reports = examineAll(subjects, {
    config,
    userAgent: `ociregistry/${version}`,
    trust: new TlsTrust(),
    names: new NameLookups({ clock: systemClock, threads: lookupThreads(process.env) }),
    clock: systemClock,
    random: Math.random,
    env,
    signal: interruption.signal,
  });
  const done: Report[] = [];
  for await (const report of reports) {
    done.push(report);
    if (output === 'text') stdout.write(textOf(report));
  }
  const ok = done.every(({ status }) => status !== 'failed');
  if (output === 'json') stdout.write(`${JSON.stringify({ ok, reports: done }, undefined, 2)}\n`);
  else if (done.length === 0)
    stdout.write('No registry is configured; name one: ociregistry doctor docker.io\n');
  return ok;
}

function checkEnvironment(config: Config, env: NodeJS.ProcessEnv): void {
  try {
    checkProxies(config, env);
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}
