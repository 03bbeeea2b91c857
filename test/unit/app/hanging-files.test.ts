import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { preflight } from '#src/app/preflight/preflight.ts';
import { loadConfig } from '#src/config/load.ts';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { hangingFiles } from '#test/fakes/hanging-files.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

describe('a file system that does not answer for the files of TLS', needs('openssl'), () => {
  async function withCertificate() {
    await using stack = new AsyncDisposableStack();
    const authority = stack.use(await TestAuthority.create());
    const { path } = stack.use(await temporaryDirectory());
    const { certFile: cert, keyFile: key } = await authority.issue('cache', 'IP:127.0.0.1');
    const opened = stack.move();
    return {
      settings: { imagePath: join(path, 'data'), serverTlsConfig: { cert, key } },
      cert,
      [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
    };
  }

  it('does not keep a start from opening the port of health: what was not looked at is said', async () => {
    await using made = await withCertificate();
    const clock = new FakeClock();
    const loaded = await loadConfig({ flags: made.settings, env: {} });
    using _ = hangingFiles(made.cert);
    const looking = preflight(loaded, { env: {}, tryPorts: false, clock });
    await clock.untilSleeping();
    await clock.advance(10_000);
    const { problems, warnings } = await looking;
    assert.deepEqual(problems, []);
    assert.match(warnings.join(), /were not looked at before the start: a file system does not answer/);
  });

  it('leaves a start alive, which says at /readyz what it waits for', async () => {
    await using made = await withCertificate();
    const free = await runApp({ ...made.settings, serverTlsConfig: {} });
    const health = free.server.port;
    await free.stop();
    using files = hangingFiles(made.cert);
    const starting = runApp({ ...made.settings, health });
    const answer = async (path: string) => await ask({ port: health }, path).catch(() => undefined);
    const giveUpAt = Date.now() + 10_000;
    let ready = await answer('/readyz');
    while (!ready?.body.includes('serverTlsConfig')) {
      assert.ok(Date.now() < giveUpAt, 'nobody says what the start waits for');
      ready = await answer('/readyz');
    }
    assert.equal(ready.status, 503);
    assert.match(ready.body.toString(), /the start waits for the files of serverTlsConfig/);
    assert.equal((await answer('/livez'))?.status, 200);
    files[Symbol.dispose]();
    await using app = await starting;
    assert.match(app.server.url, /^https:/);
    assert.equal((await answer('/readyz'))?.status, 200);
  });
});
