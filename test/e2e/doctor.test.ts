import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Program } from './support/program.ts';
import { assertWithout } from './support/secrets.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { Tinyproxy } from './support/tinyproxy.ts';

const bin = join(import.meta.dirname, '../../src/bin.js');
const password = 's3cret-in-tests-horse';
const wrongPassword = 's3cret-in-tests-battery';
/** `robot` with {@link password}, by bcrypt. */
const htpasswd = 'robot:$2y$04$ds9PHzh.V7NNwDFq0gun0Ozdf3ieIMTHR92ebQIQgTBs9w6RuoTXW\n';

/** `ociregistry doctor` as an operator runs it, beside a server or without one. */
class Doctor implements AsyncDisposable {
  readonly #resources: AsyncDisposableStack;
  readonly program: Program;
  readonly directory: string;

  private constructor(resources: AsyncDisposableStack, program: Program, directory: string) {
    this.#resources = resources;
    this.program = program;
    this.directory = directory;
  }

  static async start(
    settings: Readonly<Record<string, unknown>>,
    ...operands: readonly string[]
  ): Promise<Doctor> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const file = join(path, 'config.yaml');
    await writeFile(file, JSON.stringify({ imagePath: join(path, 'data'), ...settings }));
    const line = [bin, '--config-file', file, 'doctor', ...operands];
    const program = resources.use(new Program(process.execPath, line));
    return new Doctor(resources.move(), program, path);
  }

  async end(): Promise<{ code: number | null; output: string }> {
    const { code } = await this.program.exited;
    return { code, output: this.program.lines.join('\n') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

describe('ociregistry doctor, beside a real registry', needs('docker-registry', 'crane'), () => {
  it('tells the right password from the wrong one, while a server uses the same directory', async () => {
    await using data = await temporaryDirectory();
    await using upstream = await DockerRegistry.startWithPasswords(data.path, htpasswd);
    await using server = await Ociregistry.start();
    const run = async (secret: string) => {
      const registries = [{ name: upstream.host, scheme: 'http', auth: { user: 'robot', password: secret } }];
      const imagePath = join(server.layout, '..');
      await using started = await Doctor.start({ imagePath, registries }, `${upstream.host}/app:v1`);
      return await started.end();
    };
    const right = await run(password);
    assert.equal(right.code, 0, right.output);
    assert.deepEqual(await upstream.takeRequests(), Array(2).fill('HEAD /v2/app/manifests/v1'));
    const wrong = await run(wrongPassword);
    assert.equal(wrong.code, 1, wrong.output);
    assert.match(wrong.output, /FAILED\s+answer .*answered 401, as user "robot" \(sent: basic\)/);
    const outputs = right.output + wrong.output;
    assertWithout([password, wrongPassword, `robot:${password}`, `robot:${wrongPassword}`], outputs);
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200);
  });
});

describe(
  'ociregistry doctor, beside what stands before a registry',
  needs('docker-registry', 'crane'),
  () => {
    it('finds the dead mirror and the wrong password of the second account', async () => {
      await using data = await temporaryDirectory();
      await using upstream = await DockerRegistry.startWithPasswords(data.path, htpasswd);
      const gone = await DockerRegistry.start();
      const endpoint = gone.url;
      await gone[Symbol.asyncDispose]();
      const passwordFile = join(data.path, 'password');
      await writeFile(passwordFile, wrongPassword);
      const auth = { user: 'robot', password, accounts: [{ user: 'second', passwordFile }] };
      const registries = [{ name: upstream.host, alias: 'up', scheme: 'http', auth, endpoints: [endpoint] }];
      await using doctor = await Doctor.start({ registries }, `${upstream.host}/app:v1`);
      const { code, output } = await doctor.end();
      assert.equal(code, 1, output);
      const title = `${upstream.host}/app:v1`;
      assert.deepEqual(
        output.split('\n').filter((line) => /^\S/.test(line)),
        [
          `${title} as user "robot": ok`,
          `${title} as user "second": FAILED at answer`,
          `${title} by ${endpoint}: FAILED at connection`,
        ],
      );
      assert.match(output, /answered 401, as user "second" \(sent: basic\)/);
      assert.match(output, /note: pulls still work as user "robot"/);
      assert.match(output, /note: pulls still work through the registry itself/);
      assertWithout([password, wrongPassword, `second:${wrongPassword}`], output);
    });

    describe('tinyproxy', needs('tinyproxy'), () => {
      it('is gone through with the right password, and named with the wrong one', async () => {
        await using data = await temporaryDirectory();
        await using upstream = await DockerRegistry.startWithPasswords(data.path, htpasswd);
        await using proxy = await Tinyproxy.start('me', password);
        const run = async (userinfo: string) => {
          const entry = { name: upstream.host, scheme: 'http', auth: { user: 'robot', password } };
          const settings = { upstream: { proxy: `http://${userinfo}${proxy.host}` }, registries: [entry] };
          await using doctor = await Doctor.start(settings, `${upstream.host}/app:v1`);
          return await doctor.end();
        };
        const right = await run(`me:${password}@`);
        assert.equal(right.code, 0, right.output);
        assert.match(right.output, new RegExp(`connection .* through the proxy ${proxy.host}, plain http`));
        assert.ok(proxy.calls.some((call) => call.includes(`http://${upstream.host}/v2/app/manifests/v1`)));
        await upstream.takeRequests();
        const without = await run('');
        assert.equal(without.code, 1, without.output);
        assert.match(without.output, /FAILED\s+connection .*the proxy .* answered 407/);
        assert.match(without.output, /-> User and password for the proxy .*upstream\.proxy/);
        // To a wrong password tinyproxy says 401, which without a tunnel may be the registry's.
        const wrong = await run(`me:${wrongPassword}@`);
        assert.equal(wrong.code, 1, wrong.output);
        assert.match(wrong.output, /-> .* It may be the proxy \(upstream\.proxy\) that answered so/);
        assert.deepEqual(await upstream.takeRequests(), []);
        assertWithout([password, wrongPassword, `me:${wrongPassword}`], right.output + wrong.output);
      });
    });
  },
);

describe('ociregistry doctor, on its own', () => {
  it('ends at once when it is interrupted, says so, and has written nothing', async () => {
    await using silence = createServer();
    silence.listen(0, '127.0.0.1');
    await once(silence, 'listening');
    const { port } = silence.address() as AddressInfo;
    const registries = [{ name: `127.0.0.1:${port}`, scheme: 'http' }];
    await using doctor = await Doctor.start({ registries });
    const [socket] = await once(silence, 'connection');
    await doctor.program.stop('SIGINT');
    const { code, output } = await doctor.end();
    socket.destroy();
    assert.equal(code, 1, output);
    assert.match(output, /FAILED\s+challenge .* interrupted/);
    assert.deepEqual(await readdir(doctor.directory), ['config.yaml']);
  });
});
