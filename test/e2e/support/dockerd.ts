import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { command } from './command.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

/** A Docker daemon of its own, with an empty store and no network for containers. */
export class Dockerd implements AsyncDisposable {
  readonly #socket: string;
  readonly #resources: AsyncDisposableStack;

  private constructor(socket: string, resources: AsyncDisposableStack) {
    this.#socket = socket;
    this.#resources = resources;
  }

  /** Starts it with the text of a `daemon.json`. `within`: what stands before its command, as `nsenter` does. */
  static async start(
    settings: string,
    env: Readonly<Record<string, string>> = {},
    within: readonly string[] = [],
  ): Promise<Dockerd> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const at = (name: string) => join(path, name);
    await writeFile(at('daemon.json'), settings);
    const place = [`--config-file=${at('daemon.json')}`, `--host=unix://${at('socket')}`];
    const state = [`--data-root=${at('data')}`, `--exec-root=${at('exec')}`, `--pidfile=${at('pid')}`];
    const network = ['--iptables=false', '--ip6tables=false', '--bridge=none'];
    const args = [...place, ...state, ...network, '--storage-driver=vfs'];
    const [file = '', ...rest] = [...within, programOf('dockerd'), ...args];
    resources.use(new Program(file, rest, env));
    const daemon = new Dockerd(at('socket'), resources);
    await until('dockerd answers', async () => await daemon.#answers());
    return new Dockerd(at('socket'), resources.move());
  }

  /** Pulls an image and returns the digest of its manifest. */
  async pull(image: string): Promise<string> {
    await this.#docker('pull', '--quiet', image);
    const name = await this.#docker('image', 'inspect', '--format={{index .RepoDigests 0}}', image);
    return name.trim().slice(name.indexOf('@') + 1);
  }

  /** Writes an image that was pulled into a tar, under another name. */
  async save(image: string, name: string, file: string): Promise<void> {
    await this.#docker('tag', image, name);
    await this.#docker('save', '--output', file, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#docker('version');
      return true;
    } catch {
      return false;
    }
  }

  /** Runs the client, whose settings and passwords are in this directory. Returns what it printed. */
  async as(configuration: string, ...args: readonly string[]): Promise<string> {
    const env = { DOCKER_CONFIG: configuration };
    return await command(programOf('docker'), [`--host=unix://${this.#socket}`, ...args], env);
  }

  async #docker(...args: readonly string[]): Promise<string> {
    return await this.as('/nonexistent', ...args);
  }
}
