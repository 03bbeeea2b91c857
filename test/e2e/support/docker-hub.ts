import { TestAuthority } from '#test/fakes/certificates.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { type ImageContent, readImage } from './content.ts';
import { DockerRegistry } from './docker-registry.ts';
import { makeLayer, pushImage } from './images.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const host = 'registry-1.docker.io';

/** Docker Hub as a client finds it that goes through a proxy: by its own name, with a certificate for it. It holds `library/alpine:3`. */
export class DockerHub implements AsyncDisposable {
  readonly image: ImageContent;
  /** Tells a program written in Go the way here; what is on loopback it asks directly. */
  readonly env: Readonly<Record<string, string>>;
  readonly #proxy: FakeProxy;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    image: ImageContent,
    env: Readonly<Record<string, string>>,
    proxy: FakeProxy,
    resources: AsyncDisposableStack,
  ) {
    this.image = image;
    this.env = env;
    this.#proxy = proxy;
    this.#resources = resources;
  }

  static async start(): Promise<DockerHub> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const image = await fill(path);
    const authority = resources.use(await TestAuthority.create());
    const tls = await authority.issue(host, `DNS:${host}`);
    const registry = resources.use(await DockerRegistry.start({ data: path, tls }));
    const proxy = resources.use(await FakeProxy.start());
    proxy.routes.set(`${host}:443`, Number(new URL(registry.url).port));
    const env = { HTTPS_PROXY: proxy.url(), SSL_CERT_FILE: authority.caFile };
    return new DockerHub(image, env, proxy, resources.move());
  }

  /** How often somebody has connected so far. */
  get connections(): number {
    return this.#proxy.calls.filter((call) => call === `CONNECT ${host}:443`).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

async function fill(data: string): Promise<ImageContent> {
  await using registry = await DockerRegistry.start({ data });
  const layers = [await makeLayer(data, 'layer', 300_000)];
  await pushImage({ reference: `${registry.host}/library/alpine:3`, layers, format: 'oci' });
  return await readImage(`${registry.url}/v2/library/alpine`, '3');
}
