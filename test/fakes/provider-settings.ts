import type { ProviderParts } from '#src/credentials/providers/provider.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { connections } from './cloud-connections.ts';
import { FakeClock } from './fake-clock.ts';
import { LogLines } from './log-lines.ts';

/** What a provider is made with: time that stands still, no environment, a log that is kept. */
export function providerSettings(
  settings: { readonly host?: string; readonly origin?: string; readonly env?: NodeJS.ProcessEnv } = {},
): ProviderParts & { readonly clock: FakeClock; readonly log: LogLines } {
  const { host = 'registry.example.com', origin = `https://${host}`, env = {} } = settings;
  return {
    host: parseRegistryHost(host),
    origin: new URL(origin),
    expiryMs: 12 * 3_600_000,
    clock: new FakeClock(),
    random: () => 0,
    log: new LogLines(),
    env,
    connect: connections(),
  };
}
