import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { alias, type Client } from './client.ts';
import { command } from './command.ts';
import { digestsIn } from './content.ts';
import { temporaryDirectory } from './temporary-directory.ts';

interface Inspected {
  /** The hex of the config's digest. */
  readonly Id: string;
  readonly RepoDigests: readonly string[];
}

/** podman unpacks each layer: what is left of it to see is the tar file that it makes of it again. */
export const podman: Client = {
  name: 'podman',
  programs: ['podman'],
  takes: 'platform',
  keeps: 'unpacked',
  async pull({ server, upstream, repository, tag }) {
    return await pullBy(mirror(upstream, `${server}/${alias}`), `${upstream}/${repository}:${tag}`);
  },
};

/**
 * Pulls as the text of a `registries.conf` says. Returns the digests of the manifests and of the config, by podman's own account, and of
 * the layers' tar files, by their bytes.
 */
export async function pullBy(
  settings: string,
  image: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ReadonlySet<string>> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const registries = join(path, 'registries.conf');
  await writeFile(registries, settings);
  const policy = join(path, 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const run = async (...args: readonly string[]) =>
    await command(programOf('podman'), [...ownStore(path), ...args], {
      CONTAINERS_REGISTRIES_CONF: registries,
      ...env,
    });
  await run('pull', '--quiet', '--signature-policy', policy, image);
  const [inspected] = JSON.parse(await run('image', 'inspect', image)) as Inspected[];
  if (inspected === undefined) throw new Error(`podman has pulled no ${image}`);
  const manifests = inspected.RepoDigests.map((name) => name.slice(name.indexOf('@') + 1));
  const saved = join(path, 'saved');
  await run('save', '--quiet', '--format', 'oci-dir', '--uncompressed', '--output', saved, image);
  const layers = await digestsIn(join(saved, 'blobs'));
  return new Set([...manifests, `sha256:${inspected.Id}`, ...layers]);
}

/** Pulls from a registry without TLS, and writes the image into a tar of each of these formats, under another name. Returns their paths. */
export async function savedByPodman(
  directory: string,
  image: string,
  name: string,
  formats: readonly string[],
): Promise<string[]> {
  const run = async (...args: readonly string[]) =>
    await command(programOf('podman'), [...ownStore(directory), ...args]);
  const policy = join(directory, 'policy.json');
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  await run('pull', '--quiet', '--tls-verify=false', '--signature-policy', policy, image);
  await run('tag', image, name);
  const files: string[] = [];
  for (const format of formats) {
    const file = join(directory, `${format}.tar`);
    await run('save', '--quiet', '--format', format, '--output', file, name);
    files.push(file);
  }
  return files;
}

/** The fallback to the upstream itself leads nowhere: a pull that we cannot serve fails. */
function mirror(upstream: string, location: string): string {
  return `
[[registry]]
prefix = "${upstream}"
location = "127.0.0.1:1"
insecure = true
[[registry.mirror]]
location = "${location}"
insecure = true
`;
}

/** Where this test's podman keeps what it has: its first arguments. */
export function ownStore(directory: string): string[] {
  const at = (name: string) => join(directory, name);
  return ['--root', at('root'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'];
}
