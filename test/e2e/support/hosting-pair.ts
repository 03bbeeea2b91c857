import { alias } from './client.ts';
import { Ociregistry } from './ociregistry.ts';

/** Two of our servers: in the inner one live the repositories `test/**`, the outer one caches them as `up/test/…`. */
export interface HostingPair extends AsyncDisposable {
  readonly inner: Ociregistry;
  readonly outer: Ociregistry;
  /** `host/repository` at both. */
  readonly names: (repository: string) => { readonly inner: string; readonly outer: string };
  /** Where both have it, for what reads over HTTP. */
  readonly urls: (repository: string) => { readonly inner: string; readonly outer: string };
}

export async function hostingPair(): Promise<HostingPair> {
  await using stack = new AsyncDisposableStack();
  const settings = { hosted: [{ repositories: ['test/**'], open: true }] };
  const inner = stack.use(await Ociregistry.start({ settings }));
  const registries = [{ name: inner.host, scheme: 'http', alias }];
  const outer = stack.use(
    await Ociregistry.start({ settings: { registries, cache: { freshness: 'always', complete: false } } }),
  );
  const moved = stack.move();
  return {
    inner,
    outer,
    names: (repository) => ({
      inner: `${inner.host}/${repository}`,
      outer: `${outer.host}/${alias}/${repository}`,
    }),
    urls: (repository) => ({
      inner: `${inner.url}/v2/${repository}`,
      outer: `${outer.url}/v2/${alias}/${repository}`,
    }),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}
