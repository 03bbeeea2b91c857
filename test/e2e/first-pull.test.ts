import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf } from '#test/docs/attribution.ts';
import { type Block, root } from '#test/docs/block.ts';
import { ownPrograms } from '../setup/components.ts';
import { needs } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { DockerHub } from './support/docker-hub.ts';
import { freePort } from './support/free-port.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

/** The script of package.json, started in a folder of its own as in a checkout; the reader stops it before he starts it again. */
class ReadersServer implements AsyncDisposable {
  readonly #directory: string;
  readonly #env: Readonly<Record<string, string>>;
  #program: Program | undefined;
  /** Where the page has 8080. */
  address = '';

  constructor(directory: string, env: Readonly<Record<string, string>>) {
    this.#directory = directory;
    this.#env = env;
  }

  async npmStart(args: string): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: { start: string };
    };
    const line = scripts.start
      .replace(' node ', ` ${process.execPath} `)
      .replaceAll(/\S+\.(?:js|yaml)/g, `${root}/$&`);
    const script = `cd ${this.#directory} && ${line} ${args} --host 127.0.0.1 --port 0`;
    this.#program = new Program('/bin/sh', ['-c', script], this.#env);
    const [, address = ''] = await this.#program.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
    this.address = address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.stop('SIGINT');
  }
}

describe('the tutorial', needs('docker-registry', 'crane', 'skopeo', 'openssl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let outputs: [block: Block, output: string][];
  let hub: DockerHub;

  /** Runs the page from its top to its end, with nothing changed but the ports. */
  before(async () => {
    const { path } = resources.use(await temporaryDirectory());
    hub = resources.use(await DockerHub.start());
    const { HTTPS_PROXY = '', SSL_CERT_FILE = '' } = hub.env;
    const env = { HTTPS_PROXY, NODE_EXTRA_CA_CERTS: SSL_CERT_FILE, NO_PROXY: '' };
    const server = resources.use(new ReadersServer(path, env));
    const metrics = String(await freePort());
    const run = async ({ text }: Block): Promise<string> => {
      const start = /^npm start(?: -- (.*))?$/m.exec(text);
      if (start !== null) {
        await server.npmStart((start[1] ?? '').replace('9090', metrics));
        return '';
      }
      const shown = text
        .replaceAll('127.0.0.1:8080', server.address)
        .replaceAll('127.0.0.1:9090', `127.0.0.1:${metrics}`);
      const PATH = `${ownPrograms}${delimiter}${process.env['PATH']}`;
      return await command('bash', ['-eo', 'pipefail', '-c', `cd ${path}\n${shown}`], { PATH });
    };
    outputs = [];
    const digests = [hub.image.digest, ...hub.image.blobs.keys()].map((digest) =>
      digest.replace('sha256:', ''),
    );
    const areListed = async (block: Block): Promise<boolean> => {
      const output = await run(block);
      return digests.every((digest) => output.includes(digest));
    };
    for (const block of await blocksOf('tutorial')) {
      // A busy machine takes longer than the page says.
      if (block.text.includes('ls data')) await until('files have their names', async () => areListed(block));
      if (block.language === 'sh') outputs.push([block, await run(block)]);
      // What is done twice, as the page then says.
      else outputs.push([block, await run(outputs.at(-1)?.[0] ?? block)]);
    }
  });

  const outputOf = (words: string): string[] =>
    outputs.filter(([{ text }]) => text.includes(words)).map(([, output]) => output);

  it('shows a miss, then a hit, then a hit without the registry', () => {
    const [first, last] = outputOf('-D -').map((output) => /^Cache-Status: .*$/im.exec(output)?.[0].trim());
    const [block] = outputs.filter(([{ language }]) => language === '');
    assert.equal(first, block?.[0].text.trim());
    assert.match(block?.[1] ?? '', /^Cache-Status: ociregistry; hit\r?$/m);
    assert.match(last ?? '', /^Cache-Status: ociregistry; hit$/);
  });

  it('shows what is there', () => {
    const [listed = ''] = outputOf('_catalog');
    assert.match(listed, /"docker\.io\/library\/alpine"/);
    for (const digest of [hub.image.digest, ...hub.image.blobs.keys()])
      assert.ok(listed.includes(digest.replace('sha256:', '')), digest);
  });

  it('shows a counter that counts', () => {
    assert.match(
      outputOf('ociregistry_requests_total').join(),
      /^ociregistry_requests_total\{.*result="hit".*\} [1-9]/m,
    );
  });
});
