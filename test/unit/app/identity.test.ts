import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { until } from '#test/e2e/support/until.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { asked, password, tokenApp } from '#test/fakes/token-app.ts';

const alice = { authorization: basicHeader('alice', password) };
const basicAlone = { tokenService: undefined };

describe('users with passwords', () => {
  it('are asked for them, and come in with them', async () => {
    await using server = await tokenApp(basicAlone);
    const nobody = await asked(`${server.url}/v2/`);
    assert.equal(nobody.status, 401);
    assert.equal(nobody.headers.get('www-authenticate'), 'Basic realm="ociregistry",charset="UTF-8"');
    assert.equal((await asked(`${server.url}/v2/`, { headers: alice })).status, 200);
    const wrong = { authorization: basicHeader('alice', secret('wrong')) };
    const denied = await asked(`${server.url}/v2/`, { headers: wrong });
    assert.equal(denied.status, 401);
    assert.equal(denied.headers.get('www-authenticate'), 'Basic realm="ociregistry",charset="UTF-8"');
    const pull = '/v2/team/a/manifests/v1';
    assert.equal((await asked(server.url + pull)).status, 401);
    assert.equal((await asked(server.url + pull, { headers: alice })).status, 404);
    assertSecretless(server.log, 'the log');
  });

  it('have no use for the original login', async () => {
    await using server = await tokenApp(basicAlone);
    assert.equal((await asked(`${server.url}/v2/auth`, { headers: alice })).status, 404);
    assert.equal((await asked(`${server.url}/v2/token`, { headers: alice })).status, 404);
  });

  it('change with the file, which is read again', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp(basicAlone, { clock });
    const status = async (user: string): Promise<number> =>
      (await asked(`${server.url}/v2/`, { headers: { authorization: basicHeader(user, password) } })).status;
    assert.deepEqual([await status('alice'), await status('bob')], [200, 401]);
    await writeFile(server.htpasswdFile, `bob:${bcrypt(password)}\n`);
    await clock.advance(5000);
    await until('the file is read', async () => (await status('bob')) === 200);
    assert.equal(await status('alice'), 401);
    await writeFile(server.htpasswdFile, `bob:${secret('no-hash')}\n`);
    for (const _ of [1, 2, 3]) assert.equal(await status('carol'), 401);
    assert.equal(await status('bob'), 200);
    const told = server.log.lines.filter((line) => line.includes('password file cannot be used'));
    assert.equal(told.length, 1);
    assertSecretless(server.log, 'the log');
  });

  it('keep the server from starting by a file that cannot be used, which is named', async () => {
    await using directory = await temporaryDirectory();
    const htpasswdFile = join(directory.path, 'htpasswd');
    const start = async (): Promise<unknown> =>
      await runApp({ imagePath: join(directory.path, 'data'), auth: { basic: { htpasswdFile } } } as never);
    await assert.rejects(start, /^Error: auth\.basic\.htpasswdFile: ".*htpasswd": no such file$/);
    await writeFile(htpasswdFile, `a:$apr1$${secret('hash')}\n`);
    await assert.rejects(
      start,
      /^Error: auth\.basic\.htpasswdFile: ".*": line 1: the password is hashed by MD5/,
    );
  });

  it('are not held up by a flood of wrong passwords', async () => {
    await using server = await tokenApp(basicAlone);
    assert.equal((await asked(`${server.url}/v2/`, { headers: alice })).status, 200);
    const flood = Array.from({ length: 300 }, async (_, at) => {
      const headers = { authorization: basicHeader('alice', secret(`wrong-${at}`)) };
      return (await asked(`${server.url}/v2/`, { headers })).status;
    });
    for (const _ of Array.from({ length: 20 }))
      assert.equal((await asked(`${server.url}/v2/`, { headers: alice })).status, 200);
    const statuses = new Set(await Promise.all(flood));
    assert.deepEqual([...statuses].toSorted(), [401, 429]);
    assertSecretless(server.log, 'the log');
  });
});
