import { createUpstream, type Upstream, type UpstreamSettings } from '#src/upstream/upstream.ts';
import type { FakeUpstream } from './fake-upstream.ts';

/** The real client in front of a fake upstream: configured, patient, and without pauses between tries. */
export function openUpstream(
  upstream: Pick<FakeUpstream, 'host' | 'origin'>,
  settings: Partial<UpstreamSettings> = {},
): Upstream {
  return createUpstream({
    host: upstream.host,
    scheme: upstream.origin.startsWith('https:') ? 'https' : 'http',
    userAgent: 'ociregistry/test',
    pullTimeoutMs: 30_000,
    connectTimeoutMs: 5000,
    stallTimeoutMs: 30_000,
    maxConcurrent: 8,
    configured: true,
    unknownRegistries: 'public',
    random: () => 0,
    ...settings,
  });
}
