import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { alias, type Client } from './client.ts';
import { command } from './command.ts';
import { digestsIn } from './content.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Runs crane, away from the user’s own credentials. */
export async function crane(...args: readonly string[]): Promise<string> {
  return await command(programOf('crane'), ['--insecure', ...args], { DOCKER_CONFIG: '/nonexistent' });
}

export const craneClient: Client = {
  name: 'crane',
  programs: ['crane'],
  takes: 'everything',
  keeps: 'blobs',
  async pull({ server, repository, tag }) {
    await using directory = await temporaryDirectory();
    const layout = join(directory.path, 'image');
    await crane('pull', '--format=oci', `${server}/${alias}/${repository}:${tag}`, layout);
    return await digestsIn(join(layout, 'blobs'));
  },
};
