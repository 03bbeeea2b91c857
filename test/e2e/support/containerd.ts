import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import type { Client, Pull } from './client.ts';
import { command } from './command.ts';
import { digestsIn } from './content.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

/** Of which version: the system's, or one that is built for this checkout. */
type Version = '' | '-2';

/** A containerd of its own, with an empty store. */
export class Containerd implements AsyncDisposable {
  readonly #directory: string;
  readonly #resources: AsyncDisposableStack;
  readonly #version: Version;

  private constructor(directory: string, resources: AsyncDisposableStack, version: Version) {
    this.#directory = directory;
    this.#resources = resources;
    this.#version = version;
  }

  static async start(version: Version = ''): Promise<Containerd> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    await writeFile(join(path, 'config.toml'), settingsIn(path));
    resources.use(new Program(programOf(`containerd${version}`), ['--config', join(path, 'config.toml')]));
    await until('containerd answers', async () => await answers(path));
    return new Containerd(path, resources.move(), version);
  }

  /** Pulls from the server as a mirror of the upstream (`?ns=`), with no way around it. */
  async pull({ server, upstream, repository, tag }: Pull): Promise<void> {
    const hosts = join(this.#directory, 'hosts');
    await mkdir(join(hosts, upstream), { recursive: true });
    await writeFile(join(hosts, upstream, 'hosts.toml'), mirror(`http://${server}`));
    await this.pullBy(hosts, `${upstream}/${repository}:${tag}`);
  }

  /** Pulls as the files in a folder such as `/etc/containerd/certs.d` say. */
  async pullBy(hosts: string, image: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    // Of the second, ctr asks itself only when it is told to, and then in its own environment.
    const local = this.#version === '' ? [] : ['--local'];
    await ctr(this.#directory, ['images', 'pull', ...local, '--hosts-dir', hosts, image], {
      env,
      program: `ctr${this.#version}`,
      limitMs: 300_000,
    });
  }

  /** Pulls from the upstream itself. */
  async pullDirectly(upstream: string, repository: string, tag: string): Promise<void> {
    await ctr(this.#directory, ['images', 'pull', '--plain-http', `${upstream}/${repository}:${tag}`]);
  }

  /** What a shell needs to know for `ctr` to mean this one. */
  get env(): Readonly<Record<string, string>> {
    return variablesOf(this.#directory);
  }

  async digests(): Promise<ReadonlySet<string>> {
    return await digestsIn(join(this.#directory, 'root/io.containerd.content.v1.content/blobs'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

export const containerd: Client = {
  name: 'containerd',
  programs: ['containerd'],
  takes: 'platform',
  keeps: 'blobs',
  async pull(pull) {
    await using client = await Containerd.start();
    await client.pull(pull);
    return await client.digests();
  },
};

interface Call {
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: string;
  readonly limitMs?: number;
}

async function ctr(directory: string, args: readonly string[], call: Call = {}): Promise<void> {
  const { env, program = 'ctr', limitMs } = call;
  await command(programOf(program), args, { ...variablesOf(directory), ...env }, limitMs);
}

/** What tells ctr which containerd is meant, and to unpack without a kernel's help. */
function variablesOf(directory: string): Record<string, string> {
  return { CONTAINERD_ADDRESS: join(directory, 'containerd.sock'), CONTAINERD_SNAPSHOTTER: 'native' };
}

async function answers(directory: string): Promise<boolean> {
  try {
    await ctr(directory, ['version']);
    return true;
  } catch {
    return false;
  }
}

function settingsIn(directory: string): string {
  return `
version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${directory}/containerd.sock"
`;
}

function mirror(url: string): string {
  return `
server = "${url}"
[host."${url}"]
  capabilities = ["pull", "resolve"]
`;
}
