import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { Incoming } from '../notify/incoming.ts';
import { IncomingCredential } from '../notify/incoming-credential.ts';
import { ToldTags } from '../notify/told-tags.ts';
import { knownAs } from '../notify/told-target.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, imageText, type RegistryHost, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { Caching } from './caching.ts';
import { configuredPlatforms, loadInto } from './load.ts';
import { registriesByHost } from './registry-upstream.ts';

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

/** At a time: tags that registries are asked about, and images that are brought whole. */
const asked = { width: 8, widthOfOne: 2 };
const brought = { width: 2, widthOfOne: 1 };

/** Takes what `notifications.incoming` lets in. Undefined: nothing, for nobody may tell us, or nobody can be asked across an air gap. */
export function openIncoming(
  config: Config,
  caching: Caching,
  parts: Parts,
): ({ readonly take: (exchange: Exchange) => Promise<void> } & AsyncDisposable) | undefined {
  const secret = config.notifications.incoming?.secret;
  if (secret === undefined || config.airGapped) return undefined;
  const stack = new AsyncDisposableStack();
  const prefetches =
    config.notifications.incoming?.do === 'prefetch'
      ? stack.use(prefetching(config, caching, parts))
      : undefined;
  const refreshes = stack.use(refreshing(caching, prefetches, parts));
  const incoming = stack.use(
    new Incoming({
      credential: new IncomingCredential(secret.reveal()),
      hosts: knownHosts(config),
      tagsOf: async (repository, digest) =>
        ((await caching.store.graph?.node(repository, digest))?.tags ?? []).map(({ tag }) => tag),
      doubt: async (repository, tag) => await caching.cache.manifests.doubt(repository, tag),
      told: (repository, tag) => refreshes.add(repository, tag),
      ...parts,
    }),
  );
  return { take: incoming.take, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
}

function refreshing(
  { registries, cache }: Caching,
  prefetches: ToldTags | undefined,
  { clock, log }: Parts,
): ToldTags {
  const work = async (repository: RepositoryName, tag: Tag): Promise<void> => {
    // Whoever asks for the tag next asks for it anew, in his own name.
    if (!registries.asksByItself(hostOf(repository))) return;
    const registry = registries.of(hostOf(repository));
    registry.mayHave(repository, tag);
    const isCached = (await cache.manifests.findTag(repository, tag)) !== undefined;
    if (!isCached && prefetches === undefined) return;
    try {
      const { was, digest } = await registry.refresh(repository, tag);
      if (was !== digest)
        log.info({ repository, tag, was, digest }, 'a tag has moved, as its registry told us');
    } catch (error) {
      // It is recorded that the tag is gone.
      if (error instanceof RegistryError && error.status === 404) return;
      throw error;
    }
    prefetches?.add(repository, tag);
  };
  return new ToldTags({ ...asked, work, what: 'asking about a tag that was told of', clock, log });
}

function prefetching(config: Config, caching: Caching, { clock, log }: Parts): ToldTags {
  const wanted = { platforms: configuredPlatforms(config), referrers: false };
  const work = async (repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<void> => {
    const record = await caching.cache.manifests.findTag(repository, tag);
    if (record === undefined) return;
    const { digest: reference } = record.descriptor;
    const name = imageText({ repository, reference });
    let problem: string | undefined;
    const ended = (image: { readonly problem?: string | undefined }): void => {
      problem = image.problem;
    };
    await loadInto(caching, config, { images: [{ name, repository, reference }] }, wanted, {
      clock,
      signal,
      ended,
      parallel: 1,
    });
    if (problem !== undefined) throw new Error(problem);
    log.info({ repository, tag, digest: reference }, 'an image was brought, as its registry told us of it');
  };
  return new ToldTags({ ...brought, work, what: 'bringing an image that was told of', clock, log });
}

/** The configured registries by their own hosts and those of their mirrors; a host that is a registry itself is that. */
function knownHosts(config: Config): ReadonlyMap<string, RegistryHost> {
  const registries = registriesByHost(config);
  const mirrors = [...registries].flatMap(([host, { endpoints }]) =>
    endpoints.map((url) => [knownAs(new URL(url).host), host] as const),
  );
  return new Map([...mirrors, ...[...registries.keys()].map((host) => [host as string, host] as const)]);
}
