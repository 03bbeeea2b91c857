import { join } from 'node:path';
import { alias, type Client } from './client.ts';
import { command } from './command.ts';
import { digestsIn } from './content.ts';
import { programOf } from './needs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const skopeo: Client = {
  name: 'skopeo',
  programs: ['skopeo'],
  takes: 'everything',
  async pull({ server, repository, tag }) {
    await using directory = await temporaryDirectory();
    const image = join(directory.path, 'image');
    const source = `docker://${server}/${alias}/${repository}:${tag}`;
    const options = ['--quiet', '--all', '--src-no-creds', '--src-tls-verify=false'];
    await command(programOf('skopeo'), ['--insecure-policy', 'copy', ...options, source, `dir:${image}`]);
    return await digestsIn(image);
  },
};
