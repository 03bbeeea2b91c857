import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gcpSource } from '#src/credentials/providers/gcp.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeCloud, form } from '#test/fakes/fake-clouds.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { content, json } from '#test/fakes/upstream-answers.ts';

const audience =
  '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster';
const scope = 'https://www.googleapis.com/auth/cloud-platform';
const jwt = 'urn:ietf:params:oauth:token-type:jwt';

/** Google's token service and another provider's tokens, as documented for external_account files. */
async function federation() {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(await FakeCloud.start());
  const { path } = stack.use(await temporaryDirectory());
  const clock = new FakeClock();
  cloud.answer = ({ path: asked }) => {
    if (asked === '/v1/token') return json({ access_token: 's3cret-in-tests-federated', expires_in: 600 });
    if (asked === '/subject') return content('s3cret-in-tests-subject-of-url\n', 'text/plain');
    if (asked === '/subject.json') return json({ id_token: 's3cret-in-tests-subject-of-json' });
    const expireTime = new Date(clock.now() + 1_800_000).toISOString();
    return json({ accessToken: 's3cret-in-tests-impersonated', expireTime });
  };
  const keyFile = join(path, 'key.json');
  const subjectFile = join(path, 'token');
  await writeFile(subjectFile, 's3cret-in-tests-subject-of-file\n');
  const opened = stack.move();
  return {
    cloud,
    clock,
    subjectFile,
    ask: async (source: unknown, more: object = {}) => {
      const key = {
        type: 'external_account',
        audience,
        subject_token_type: jwt,
        token_url: `${cloud.origin}/v1/token`,
        credential_source: source,
        ...more,
      };
      await writeFile(keyFile, JSON.stringify(key));
      return await gcpSource({
        env: {},
        connect: connections({ admits: cloud.origin }),
        log: new LogLines(),
        clock,
        keyFile,
      }).fetch(AbortSignal.timeout(10_000));
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

const password = (token: string) => ({
  kind: 'basic',
  username: 'oauth2accesstoken',
  password: token,
});

describe('an external account of Google', () => {
  it('exchanges the token in a file, read anew each time (RFC 8693)', async () => {
    await using test = await federation();
    const { credential, expiresAt } = await test.ask({ file: test.subjectFile });
    assert.deepEqual(credential, password('s3cret-in-tests-federated'));
    assert.equal(expiresAt, test.clock.now() + 600_000);
    assert.deepEqual(form(test.cloud.last), {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience,
      scope,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: jwt,
      subject_token: 's3cret-in-tests-subject-of-file',
    });
    await writeFile(test.subjectFile, 's3cret-in-tests-another');
    await test.ask({ file: test.subjectFile });
    assert.equal(form(test.cloud.last)['subject_token'], 's3cret-in-tests-another');
  });

  it('exchanges the token of a URL, which is asked with the headers that are given', async () => {
    await using test = await federation();
    const headers = { Metadata: 'True' };
    await test.ask({ url: `${test.cloud.origin}/subject`, headers });
    assert.equal(test.cloud.requests[0]?.method, 'GET');
    assert.equal(test.cloud.requests[0].headers['metadata'], 'True');
    assert.equal(form(test.cloud.last)['subject_token'], 's3cret-in-tests-subject-of-url');
  });

  it('finds the token in a field of JSON, of a file and of a URL', async () => {
    await using test = await federation();
    const format = { type: 'json', subject_token_field_name: 'id_token' };
    await test.ask({ url: `${test.cloud.origin}/subject.json`, format });
    assert.equal(form(test.cloud.last)['subject_token'], 's3cret-in-tests-subject-of-json');
    await writeFile(test.subjectFile, JSON.stringify({ id_token: 's3cret-in-tests-subject-of-file' }));
    await test.ask({ file: test.subjectFile, format });
    assert.equal(form(test.cloud.last)['subject_token'], 's3cret-in-tests-subject-of-file');
  });

  it('takes on the service account that the file names', async () => {
    await using test = await federation();
    const path = '/v1/projects/-/serviceAccounts/puller@example.iam.gserviceaccount.com:generateAccessToken';
    const { credential, expiresAt } = await test.ask(
      { file: test.subjectFile },
      {
        service_account_impersonation_url: `${test.cloud.origin}${path}`,
        service_account_impersonation: { token_lifetime_seconds: 1800 },
      },
    );
    assert.deepEqual(credential, password('s3cret-in-tests-impersonated'));
    assert.equal(expiresAt, test.clock.now() + 1_800_000);
    const { method, path: asked, headers, body } = test.cloud.last;
    assert.equal(`${method} ${asked}`, `POST ${path}`);
    assert.equal(headers.authorization, 'Bearer s3cret-in-tests-federated');
    assert.deepEqual(JSON.parse(body), { scope: [scope], lifetime: '1800s' });
  });

  const broken: [what: string, source: unknown, more: object, message: RegExp][] = [
    ['of AWS', { environment_id: 'aws1' }, {}, /no credential_source of file or url; provider exec/],
    ['without a source', undefined, {}, /no credential_source/],
    ['whose file is not there', { file: '/nonexistent' }, {}, /"\/nonexistent": no such file/],
    ['whose source is no URL', { url: 's3cret-in-tests-hunter2' }, {}, /the url in .* is no URL/],
    ['without an audience', { file: '/dev/null' }, { audience: '' }, /has no audience/],
    ['with an empty token', { file: '/dev/null' }, {}, /holds no subject token/],
    [
      'with a strange token_url',
      { file: '/dev/null' },
      { token_url: 's3cret-in-tests-hunter2' },
      /token_url in .* is no URL/,
    ],
  ];
  for (const [what, source, more, message] of broken) {
    it(`${what} is an error that quotes nothing of it`, async () => {
      await using test = await federation();
      await assert.rejects(test.ask(source, more), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'DENIED');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /s3cret-in-tests-hunter2/);
        return true;
      });
      assert.equal(test.cloud.requests.length, 0);
    });
  }

  it('that Google refuses is told in Google’s own code', async () => {
    await using test = await federation();
    test.cloud.answer = () =>
      json({ error: 'invalid_grant', error_description: 's3cret-in-tests-subject-of-file' }, 400);
    await assert.rejects(test.ask({ file: test.subjectFile }), {
      code: 'DENIED',
      message: /^Google at 127\.0\.0\.1:\d+ answered 400, invalid_grant$/,
    });
  });
});
