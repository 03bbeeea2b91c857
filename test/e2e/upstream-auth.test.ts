import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { assertWithout } from './support/secrets.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const password = 's3cret-in-tests-horse';
/** `robot` with {@link password}, by bcrypt. */
const htpasswd = 'robot:$2y$04$ds9PHzh.V7NNwDFq0gun0Ozdf3ieIMTHR92ebQIQgTBs9w6RuoTXW\n';

/** Debian’s docker-registry with an image, for whoever knows the password. */
async function openRegistry() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const upstream = stack.use(await DockerRegistry.startWithPasswords(path, htpasswd));
  const dockerConfig = join(path, 'config.json');
  const auth = Buffer.from(`robot:${password}`).toString('base64');
  await writeFile(dockerConfig, JSON.stringify({ auths: { [upstream.host]: { auth } } }));
  const opened = stack.move();
  return {
    upstream,
    dockerConfig,
    write: async (name: string, text: string) => {
      await writeFile(join(path, `${name}.new`), text, { mode: 0o700 });
      await rename(join(path, `${name}.new`), join(path, name));
      return join(path, name);
    },
    serve: async (auth: unknown, env: Record<string, string> = {}) =>
      await Ociregistry.start({
        env,
        settings: { logLevel: 'debug', registries: [{ name: upstream.host, scheme: 'http', auth }] },
      }),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

type Open = Awaited<ReturnType<typeof openRegistry>>;

describe('a registry with user and password', needs('docker-registry', 'crane'), () => {
  let test: Open;
  before(async () => {
    process.env['REGISTRY_PASSWORD'] = password;
    test = await openRegistry();
  });
  after(async () => await test[Symbol.asyncDispose]());

  const ways: [what: string, auth: (test: Open) => Promise<unknown>][] = [
    ['the configuration', async () => ({ user: 'robot', password })],
    ['the environment', async () => ({ user: 'robot', passwordFromEnv: 'REGISTRY_PASSWORD' })],
    [
      'a file',
      async ({ write }) => ({ user: 'robot', passwordFile: await write('password', `${password}\n`) }),
    ],
    [
      'Docker’s configuration',
      async ({ dockerConfig: path }) => ({ token: { provider: 'dockerConfig', providerOpts: { path } } }),
    ],
    [
      'a credential helper',
      async ({ write }) => {
        const answer = JSON.stringify({ Username: 'robot', Secret: password });
        const command = await write('docker-credential-test', `#!/bin/sh\necho '${answer}'\n`);
        return { token: { provider: 'exec', providerOpts: { command } } };
      },
    ],
    [
      'a token that was had elsewhere',
      async () => ({ token: { static: Buffer.from(`robot:${password}`).toString('base64') } }),
    ],
  ];
  for (const [what, auth] of ways) {
    it(`is pulled from with those of ${what}`, async () => {
      await using server = await test.serve(await auth(test));
      const { blobs } = await readImage(`${server.url}/v2/${test.upstream.host}/app`, 'v1');
      assert.equal(blobs.size, 2);
      assertWithout([password, `robot:${password}`], server.output);
    });
  }

  it('is pulled from again once the password in the file is the right one', async () => {
    const passwordFile = await test.write('changed', 's3cret-in-tests-battery');
    await using server = await test.serve({ user: 'robot', passwordFile });
    const manifest = `${server.url}/v2/${test.upstream.host}/app/manifests/v1`;
    const refused = await fetch(manifest);
    const answer = await refused.text();
    assert.equal(refused.status, 403, answer);
    await test.write('changed', password);
    await until('the new password is used', async () => (await fetch(manifest)).status === 200);
    assertWithout(
      [password, `robot:${password}`, 's3cret-in-tests-battery', 'robot:s3cret-in-tests-battery'],
      answer + server.output,
    );
  });
});
