import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { command } from './command.ts';
import { digestsIn } from './content.ts';
import { makeLayer } from './images.ts';

/** skopeo of somebody who logs in, or has a token; over plain HTTP. (crane follows no realm to another port of this machine.) */
export class SkopeoUser {
  readonly #directory: string;
  readonly #authfile: string;
  readonly #token: string | undefined;

  /** `token`: it is shown in the place of what a login has left. */
  constructor(directory: string, name: string, token?: string) {
    this.#directory = directory;
    this.#authfile = join(directory, `${name}.json`);
    this.#token = token;
  }

  async login(host: string, user: string, password: string): Promise<void> {
    await this.#run('login', '--tls-verify=false', '-u', user, '-p', password, host);
  }

  /** `image`: what {@link madeImage} returned. */
  async push(image: string, name: string): Promise<void> {
    await this.#run('copy', '--quiet', ...this.#at('dest-'), image, `docker://${name}`);
  }

  async copy(from: string, to: string): Promise<void> {
    const both = [...this.#at('src-'), ...this.#at('dest-')];
    await this.#run('copy', '--quiet', ...both, `docker://${from}`, `docker://${to}`);
  }

  /** The digests of all that is pulled. */
  async pull(name: string): Promise<ReadonlySet<string>> {
    const layout = join(this.#directory, `pulled-${performance.now()}`);
    await this.#run('copy', '--quiet', ...this.#at('src-'), `docker://${name}`, `oci:${layout}:v1`);
    return await digestsIn(join(layout, 'blobs'));
  }

  #at(place: 'src-' | 'dest-'): readonly string[] {
    const token = this.#token === undefined ? [] : [`--${place}registry-token`, this.#token];
    return [`--${place}tls-verify=false`, ...token];
  }

  async #run(...args: readonly string[]): Promise<void> {
    await command(programOf('skopeo'), ['--insecure-policy', ...args, '--authfile', this.#authfile]);
  }
}

/** An image of one layer, for skopeo. */
export async function madeImage(directory: string): Promise<string> {
  const layer = await makeLayer(directory, 'layer', 100_000);
  const archive = join(directory, 'image.tar');
  const made = ['append', '--oci-empty-base', '-f', layer, '-t', 'made:v1', '-o', archive];
  await command(programOf('crane'), made);
  const layout = `oci:${join(directory, 'image')}:v1`;
  const copy = ['--insecure-policy', 'copy', '--quiet', `docker-archive:${archive}`, layout];
  await command(programOf('skopeo'), copy);
  return layout;
}
