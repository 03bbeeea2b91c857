import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { alias } from './client.ts';
import { command } from './command.ts';
import { Containerd } from './containerd.ts';
import { digestsIn } from './content.ts';
import { crane } from './crane.ts';
import { Ociregistry } from './ociregistry.ts';

const bin = join(import.meta.dirname, '../../../src/bin.js');

/** What is done on the isolated side. */
export interface IsolatedOrder {
  /** For what the clients pull. */
  readonly directory: string;
  readonly imagePath: string;
  /** `host:port` of the registry that cannot be reached. */
  readonly upstream: string;
  /** Paths, imported one after the other while the server runs. */
  readonly bundles: readonly string[];
  readonly pulls: readonly IsolatedPull[];
  /** Asked for at last, though nobody has brought them: `repository:tag`. */
  readonly misses: readonly string[];
}

export interface IsolatedPull {
  readonly client: 'skopeo' | 'crane' | 'containerd';
  readonly repository: string;
  /** `:tag` or `@digest` */
  readonly reference: string;
  /** Of Linux. containerd takes that of the machine. */
  readonly architecture: string;
}

export interface IsolatedResult {
  /** Of each pull the digests of what the client has then. */
  readonly pulled: readonly (readonly string[])[];
  /** What `ociregistry wanted` prints afterwards. */
  readonly wanted: string;
}

async function run(order: IsolatedOrder): Promise<IsolatedResult> {
  const { upstream, imagePath, bundles, pulls, misses } = order;
  const registries = [{ name: upstream, scheme: 'http', alias }];
  const settings = { registries, imagePath, airGapped: true };
  await using server = await Ociregistry.start({ settings });
  const ours = [bin, '--image-path', imagePath];
  for (const bundle of bundles) await command(process.execPath, [...ours, 'import', bundle]);
  const pulled: string[][] = [];
  for (const pull of pulls) pulled.push([...(await digestsBy(pull, server.host, order))]);
  for (const image of misses) {
    const { status } = await fetch(`${server.url}/v2/${alias}/${image.replace(':', '/manifests/')}`);
    if (status !== 404) throw new Error(`${image}: ${status}`);
  }
  await server.stop('SIGTERM');
  return { pulled, wanted: await command(process.execPath, [...ours, 'wanted']) };
}

async function digestsBy(
  { client, repository, reference, architecture }: IsolatedPull,
  server: string,
  { directory, upstream }: IsolatedOrder,
): Promise<ReadonlySet<string>> {
  const image = `${server}/${alias}/${repository}${reference}`;
  const to = join(await mkdtemp(join(directory, 'pull-')), 'image');
  if (client === 'skopeo') {
    const choice = ['--override-os', 'linux', '--override-arch', architecture];
    const from = ['--src-no-creds', '--src-tls-verify=false', `docker://${image}`];
    await command(programOf('skopeo'), [
      '--insecure-policy',
      ...choice,
      'copy',
      '--quiet',
      ...from,
      `dir:${to}`,
    ]);
    return await digestsIn(to);
  }
  if (client === 'crane') {
    await crane('pull', '--platform', `linux/${architecture}`, '--format=oci', image, to);
    return await digestsIn(join(to, 'blobs'));
  }
  await using containerd = await Containerd.start();
  const [, separator = '', name = ''] = /^([:@])(?:sha256:)?(.+)$/.exec(reference) ?? [];
  const isDigest = separator === '@';
  await containerd.pull({
    server,
    upstream,
    repository: isDigest ? `${repository}@sha256` : repository,
    tag: name,
  });
  return await containerd.digests();
}

if (import.meta.main) {
  const [, , text = '{}'] = process.argv;
  process.stdout.write(JSON.stringify(await run(JSON.parse(text) as IsolatedOrder)));
}
