import { statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../e2e/support/command.ts';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { programOf } from '../setup/needs.ts';

/** Milliseconds: a build downloads packages. */
const limitMs = 600_000;

/** Images and containers of buildah and podman in a directory of their own. */
export class ContainerStore implements AsyncDisposable {
  readonly directory: string;
  readonly #driver: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(directory: string, driver: string, resources: AsyncDisposableStack) {
    this.directory = directory;
    this.#driver = driver;
    this.#resources = resources;
  }

  static async open(): Promise<ContainerStore> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    await writeFile(join(path, 'containers.conf'), engine);
    await writeFile(join(path, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    await writeFile(join(path, 'registries.conf'), '');
    return new ContainerStore(path, await driverFor(path), resources.move());
  }

  /** From now on Docker Hub is to be had from this place alone (`host/path`, plain HTTP). */
  async useForDockerHub(location: string): Promise<void> {
    await writeFile(this.#registries, mirror(location));
  }

  async buildah(...args: readonly string[]): Promise<string> {
    return await command(programOf('buildah'), [...this.#place, ...args], this.#env, limitMs);
  }

  async podman(...args: readonly string[]): Promise<string> {
    return await command(programOf('podman'), this.#podmanArguments(args), this.#env, limitMs);
  }

  /** A podman that stays, with the output of its container. */
  startPodman(...args: readonly string[]): Program {
    return new Program(programOf('podman'), this.#podmanArguments(args), this.#env);
  }

  get policy(): string {
    return join(this.directory, 'policy.json');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  get #registries(): string {
    return join(this.directory, 'registries.conf');
  }

  get #env(): Record<string, string> {
    return {
      CONTAINERS_CONF: join(this.directory, 'containers.conf'),
      CONTAINERS_REGISTRIES_CONF: this.#registries,
    };
  }

  get #place(): string[] {
    const at = (name: string) => join(this.directory, name);
    return ['--root', at('root'), '--runroot', at('run'), '--storage-driver', this.#driver];
  }

  #podmanArguments(args: readonly string[]): string[] {
    return [...this.#place, '--tmpdir', join(this.directory, 'tmp'), ...args];
  }
}

/** `overlay` spares a copy of the whole image for each container; on itself (a test in a container) it does not work. */
async function driverFor(directory: string): Promise<string> {
  const { type } = await statfs(directory);
  return type === overlayMagic ? 'vfs' : 'overlay';
}

/** statfs(2) */
const overlayMagic = 0x794c7630;

/** Without these a container asks for more than a test machine may give: higher limits, a systemd, cgroups v2. */
const engine = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

/** Where the mirror has no answer nobody has one. */
function mirror(location: string): string {
  return `
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "127.0.0.1:1"
insecure = true
[[registry.mirror]]
location = "${location}"
insecure = true
`;
}
