import { hostOf, parseRegistryHost } from '#src/oci/reference.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { GrantedRegistry } from '#src/registry/granted-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { ObservedRegistry } from '#src/registry/observed-registry.ts';
import { OfflineRegistry } from '#src/registry/offline-registry.ts';
import { TellingRegistry } from '#src/registry/telling-registry.ts';
import { registryContract } from '#test/contract/registry.contract.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { RecordingObserver } from '#test/fakes/recording-observer.ts';
import { serveRegistry } from '#test/fakes/registry-server.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const name = repository('upstream.example/library/alpine');

registryContract('MemoryRegistry', async () => {
  const content = new MemoryRegistry();
  return { registry: content, content, stored: name, name, async [Symbol.asyncDispose]() {} };
});

registryContract('ObservedRegistry over MemoryRegistry', async () => {
  const content = new MemoryRegistry();
  const registry = new ObservedRegistry(content, hostOf(name), new RecordingObserver());
  return { registry, content, stored: name, name, async [Symbol.asyncDispose]() {} };
});

registryContract('TellingRegistry over MemoryRegistry', async () => {
  const content = new MemoryRegistry();
  const registry = new TellingRegistry(content, async () => {});
  return { registry, content, stored: name, name, async [Symbol.asyncDispose]() {} };
});

registryContract('GrantedRegistry over MemoryRegistry, who may', async () => {
  const content = new MemoryRegistry();
  const granting = { async prove() {}, holds: () => true, told: (error: unknown) => error };
  const registry = new GrantedRegistry({ inner: () => content, granting, manifestsOf: async () => [] });
  return { registry, content, stored: name, name, async [Symbol.asyncDispose]() {} };
});

registryContract('CachedRegistry over MemoryRegistry', async () => {
  const cache = new CacheUnderTest();
  const { registry, content } = cache;
  return {
    registry,
    content,
    stored: name,
    name,
    [Symbol.asyncDispose]: async () => await cache[Symbol.asyncDispose](),
  };
});

registryContract('an upstream over HTTP', async () => {
  const made = await UpstreamUnderTest.start();
  const { registry, upstream } = made;
  return {
    registry,
    content: upstream.content,
    stored: name,
    name,
    [Symbol.asyncDispose]: async () => await made[Symbol.asyncDispose](),
  };
});

registryContract('CachedRegistry over an upstream over HTTP', async () => {
  const stack = new AsyncDisposableStack();
  const made = stack.use(await UpstreamUnderTest.start());
  const { registry } = stack.use(new CacheUnderTest({ upstream: made.registry }));
  return {
    registry,
    content: made.upstream.content,
    stored: name,
    name,
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
});

registryContract('an upstream that is our own server', async () => {
  const stack = new AsyncDisposableStack();
  const content = new MemoryRegistry();
  const server = stack.use(await serveRegistry(content));
  const host = parseRegistryHost(`127.0.0.1:${server.port}`);
  return {
    registry: stack.use(openUpstream({ host, origin: `http://${host}` })),
    content,
    stored: name,
    name: repository(`${host}/${name}`),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
});

registryContract('FallbackRegistry over a mirror that has nothing and MemoryRegistry', async () => {
  const content = new MemoryRegistry();
  const registry = new FallbackRegistry([new OfflineRegistry()], content);
  return { registry, content, stored: name, name, async [Symbol.asyncDispose]() {} };
});
