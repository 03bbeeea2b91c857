import { proxiesOf } from '../app/policies.ts';
import { registryAccounts } from '../app/registry-accounts.ts';
import { registryCredentials } from '../app/registry-credentials.ts';
import { openRegistryUpstream, tlsSettings } from '../app/registry-upstream.ts';
import type { Clock } from '../base/clock.ts';
import { type Log, silent } from '../base/log.ts';
import { TimeLimit } from '../base/time-limit.ts';
import type { Config } from '../config/schema.ts';
import type { CredentialProvider } from '../credentials/credentials.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import type { TlsTrust } from '../net/dial/tls-trust.ts';
import { RegistryError } from '../oci/error.ts';
import { originOf } from '../upstream/upstream.ts';
import { Evidence, type Outcome } from './evidence.ts';
import type { Walk } from './walk.ts';

export interface GatherSettings {
  readonly config: Config;
  readonly userAgent: string;
  readonly trust: TlsTrust;
  readonly names: NameLookups;
  readonly clock: Clock;
  readonly random: () => number;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/**
 * Goes one way to a registry or an image by the server's own parts, and writes down what it sees. A registry is asked for
 * `/v2/`, an image for its manifest. Ends within `pullTimeout`. What fails is evidence; nothing is thrown.
 */
export async function gather(walk: Walk, settings: GatherSettings): Promise<Evidence> {
  const { config, clock, env } = settings;
  const { place, subject } = walk;
  const { registry, lender } = place;
  const caFiles = tlsSettings(config, registry, lender).caFiles ?? [];
  const proxies = proxiesOf(config, registry ?? lender, env);
  const evidence = new Evidence(walk, { origin: originOf(place), caFiles, proxies });
  const log = noting(evidence);
  const first = registryCredentials(registry, { ...settings, log, proxies });
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => await first[Symbol.asyncDispose]?.());
  const accounts = registryAccounts(registry, first, { clock, log });
  const provider = accounts?.[walk.account]?.credentials ?? first;
  const upstream = stack.use(
    openRegistryUpstream(place, watched(provider, evidence), {
      ...settings,
      proxies,
      // All that it would say is that a registry which failed has its circuit open.
      log: silent,
      observe: (event) => evidence.add(event, clock.now()),
    }),
  );
  evidence.outcome = await within(config.pullTimeout, settings, async (signal) => {
    const { image } = subject;
    if (image !== undefined)
      return await upstream.resolveManifest(image.repository, image.reference, { signal });
    await upstream.ping({ signal });
    return undefined;
  });
  evidence.endedAt = clock.now();
  return evidence;
}

type Pull = (signal: AbortSignal) => Promise<Extract<Outcome, { descriptor: unknown }>['descriptor']>;

async function within(limitMs: number, { clock, signal }: GatherSettings, pull: Pull): Promise<Outcome> {
  using limit = new TimeLimit({ clock, milliseconds: limitMs, reason: () => tooLate(limitMs), signal });
  try {
    return { descriptor: await pull(limit.signal) };
  } catch (error) {
    return { error };
  }
}

function tooLate(limitMs: number): RegistryError {
  return new RegistryError('UNAVAILABLE', `not done within ${limitMs} ms (pullTimeout)`, { status: 504 });
}

/** The provider, whose last answer is written down. The same provider is watched by the same object: it is an identity. */
function watched(
  provider: CredentialProvider,
  evidence: Evidence,
  known = new Map<CredentialProvider, CredentialProvider>(),
): CredentialProvider {
  const before = known.get(provider);
  if (before !== undefined) return before;
  const { renew, of } = provider;
  const made: CredentialProvider = {
    name: provider.name,
    get: async (options) =>
      await noted(evidence, async () => {
        const begun = performance.now();
        const provided = await provider.get(options);
        evidence.credential = { provided, ms: evidence.credential?.ms ?? performance.now() - begun };
        return provided;
      }),
    ...(renew !== undefined && { renew: async (...refused) => await renew.apply(provider, refused) }),
    ...(of !== undefined && {
      of: async (repository) =>
        watched(await noted(evidence, async () => await of.call(provider, repository)), evidence, known),
    }),
  };
  known.set(provider, made);
  return made;
}

/** The last failure counts: of one that was waited for in several tries, the last says for how long in all. */
async function noted<Value>(evidence: Evidence, work: () => Promise<Value>): Promise<Value> {
  const begun = performance.now();
  try {
    return await work();
  } catch (error) {
    const { credential } = evidence;
    if (credential === undefined || 'error' in credential)
      evidence.credential = { error, ms: (credential?.ms ?? 0) + performance.now() - begun };
    throw error;
  }
}

/** What sources of credentials warn of is worth knowing; the fields of a log line are for the log. */
function noting(evidence: Evidence): Log {
  const note = (_: unknown, message: string): void => void evidence.notes.add(message);
  return { ...silent, warn: note, error: note };
}
