import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs, programOf } from '../setup/needs.ts';
import { alias } from './support/client.ts';
import { craneClient } from './support/crane.ts';
import { CuttingWire } from './support/cutting-wire.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Program } from './support/program.ts';
import { skopeo } from './support/skopeo.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const mebibyte = 1024 * 1024;

/** go-containerregistry's registry: it answers 416 to an open range, 206 to a closed one. */
async function startCraneRegistry(): Promise<AsyncDisposable & { readonly port: number }> {
  const program = new Program(programOf('crane'), ['registry', 'serve', '--address', '127.0.0.1:0']);
  const [, port] = await program.line(/serving on port (\d+)/);
  return { port: Number(port), [Symbol.asyncDispose]: async () => await program[Symbol.asyncDispose]() };
}

describe('a link that cuts every connection after a while', needs('crane', 'skopeo'), () => {
  for (const client of [craneClient, skopeo]) {
    it(`to crane's own registry does not keep ${client.name} from an image`, async () => {
      await using directory = await temporaryDirectory();
      await using upstream = await startCraneRegistry();
      const layer = await makeLayer(directory.path, 'layer', 7 * mebibyte);
      await pushImage({
        reference: `127.0.0.1:${upstream.port}/library/app:v1`,
        layers: [layer],
        format: 'oci',
      });
      await using wire = await CuttingWire.open(`http://127.0.0.1:${upstream.port}`, 2 * mebibyte);
      const registries = [{ name: wire.host, scheme: 'http', alias }];
      await using server = await Ociregistry.start({ settings: { registries, cache: { complete: false } } });
      const pull = { server: server.host, upstream: wire.host, repository: 'library/app', tag: 'v1' };
      const digests = await client.pull(pull);
      assert.ok(digests.size >= 3, `${[...digests].join(' ')}`);
      assert.ok(wire.cuts >= 3, `${wire.cuts} cuts`);
    });
  }
});
