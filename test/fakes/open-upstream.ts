import { createUpstream, type Upstream, type UpstreamSettings } from '#src/upstream/upstream.ts';
import type { FakeUpstream } from './fake-upstream.ts';
import { assertSecretless } from './secrets.ts';

/** The real client in front of a fake upstream: configured, patient, and without pauses between tries. */
export function openUpstream(
  upstream: Pick<FakeUpstream, 'host' | 'origin'>,
  settings: Partial<UpstreamSettings> = {},
): Upstream {
  const registry = createUpstream({
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
  return new Proxy(registry, { get: (target, key) => secretless(target, Reflect.get(target, key)) });
}

/** What a call throws may reach a client or a log: no secret may be in it. */
function secretless(upstream: Upstream, method: unknown): unknown {
  if (typeof method !== 'function') return method;
  return (...args: unknown[]): unknown => {
    const result: unknown = Reflect.apply(method, upstream, args);
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      assertSecretless(error, 'an error of the upstream client');
      throw error;
    });
  };
}
