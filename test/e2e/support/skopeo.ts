import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { alias, type Client } from './client.ts';
import { command } from './command.ts';
import { digestOf, digestsIn } from './content.ts';
import { temporaryDirectory } from './temporary-directory.ts';

async function run(...args: readonly string[]): Promise<string> {
  return await command(programOf('skopeo'), ['--insecure-policy', ...args]);
}

export const skopeo: Client = {
  name: 'skopeo',
  programs: ['skopeo'],
  takes: 'everything',
  keeps: 'blobs',
  async pull({ server, repository, tag }) {
    await using directory = await temporaryDirectory();
    const image = join(directory.path, 'image');
    const source = `docker://${server}/${alias}/${repository}:${tag}`;
    await run('copy', '--quiet', '--all', '--src-no-creds', '--src-tls-verify=false', source, `dir:${image}`);
    // Its copy of an index is written anew without the fields that this version does not know.
    const root = await run('inspect', '--raw', '--no-creds', '--tls-verify=false', source);
    return new Set([...(await digestsIn(image)), digestOf(Buffer.from(root))]);
  },
};
