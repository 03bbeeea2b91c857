import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Evidence } from '#src/doctor/evidence.ts';
import { address } from '#src/doctor/network-steps.ts';
import type { Walk } from '#src/doctor/walk.ts';
import { connectError } from '#src/net/connection-error.ts';
import { silentNameServer } from '#src/net/dial/lookup-error.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { RegistryError } from '#src/oci/error.ts';
import { serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import {
  alpine,
  diagnose,
  lastStep,
  outcomeOf,
  plain,
  reached,
  runDoctor,
  startUpstream,
} from '#test/fakes/diagnosis.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import type { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { json } from '#test/fakes/upstream-answers.ts';
import { basicAuth, bearerAuth, failing, headers, html } from '#test/fakes/upstream-faults.ts';
import { needs } from '#test/setup/needs.ts';

const password = secret('horse');
const wrongPassword = secret('battery');

const robot = { user: 'robot', password };

describe('ociregistry doctor', () => {
  it('asks for the manifest of an image by HEAD and for nothing else', async () => {
    await using upstream = await startUpstream();
    const found = await diagnose(plain(upstream), alpine(upstream));
    assert.equal(found.code, 0);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge needless', 'token needless', 'answer ok']);
    assert.match(lastStep(found).detail, /^HEAD \/v2\/library\/alpine\/manifests\/v1, sha256:[0-9a-f]{64}, /);
    assert.match(found.reports[0]?.notProved ?? '', /layers/);
    // Once for each form of output.
    assert.deepEqual(upstream.calls, Array(2).fill('HEAD /v2/library/alpine/manifests/v1'));
  });

  it('asks a registry for its API, and says what that does not prove', async () => {
    await using upstream = await startUpstream();
    const found = await diagnose(plain(upstream));
    assert.equal(found.code, 0);
    assert.match(found.text, /^ {2}not proved: that images may be pulled/m);
    assert.deepEqual(upstream.calls, Array(2).fill('GET /v2/'));
  });

  it('writes a block that is aligned', async () => {
    await using upstream = await startUpstream({}, basicAuth('robot', password));
    const { text } = await diagnose(plain(upstream, robot), alpine(upstream));
    const lines = text
      .replaceAll(upstream.host, 'HOST')
      .replaceAll(/ +\d+ ms/g, '  N ms')
      .split('\n');
    assert.deepEqual(lines.slice(0, 12), [
      'HOST/library/alpine:v1: ok',
      '  rule        configured',
      '  origin      http://HOST',
      '  proxy       none',
      '  tls         none (scheme: http)',
      '  credential  user "robot", password from the configuration',
      '  accounts    none',
      '  mirrors     none',
      '  ok      credential  N ms  user "robot"',
      '  -       address             an address, no name',
      '  ok      connection  N ms  127.0.0.1, plain http',
      '  ok      challenge   N ms  Basic'.replace('challenge   N', 'challenge  N'),
    ]);
    assert.deepEqual(lines.slice(-3), [
      '  not proved: its layers (blobs), which many registries serve from another host',
      '',
      '',
    ]);
  });

  it('names what is to be configured where a registry wants a password and there is none', async () => {
    await using upstream = await startUpstream({}, basicAuth('robot', password));
    const found = await diagnose(plain(upstream));
    assert.equal(found.code, 1);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token needless', 'answer failed']);
    assert.match(lastStep(found).advice, /registries\[\]\.auth/);
    assert.match(found.text, /: FAILED at answer\n/);
  });

  it('says whose password was refused', async () => {
    await using upstream = await startUpstream({}, basicAuth('robot', password));
    const found = await diagnose(plain(upstream, { user: 'other', password }), alpine(upstream));
    assert.equal(found.code, 1);
    assert.match(lastStep(found).detail, /answered 401, as user "other" \(sent: basic\)$/);
    assert.match(lastStep(found).advice, /user "other" and refused/);
  });

  it('gets a token for the image and shows from where, as whom', async () => {
    await using tokens = await FakeTokenServer.start();
    tokens.spoil(basicAuth('robot', password));
    await using upstream = await startUpstream({}, tokens.fault);
    const found = await diagnose(plain(upstream, robot), alpine(upstream));
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token ok', 'answer ok']);
    const { origin } = new URL(tokens.realm);
    assert.match(found.text, new RegExp(`Bearer, realm ${tokens.realm}, service fake`));
    assert.match(found.text, new RegExp(`from ${origin}, as user "robot"`));
    assert.match(tokens.requests[0]?.query ?? '', /scope=repository%3Alibrary%2Falpine%3Apull/);
  });

  it('gets a token for no image in particular where none is named, as docker login does', async () => {
    await using tokens = await FakeTokenServer.start();
    tokens.spoil(basicAuth('robot', password));
    const challenge = { 'WWW-Authenticate': `Bearer realm="${tokens.realm}",service="fake"` };
    await using upstream = await startUpstream({}, async ({ headers: { authorization } }, next) =>
      authorization === undefined ? json({}, 401, challenge) : await next(),
    );
    const found = await diagnose(plain(upstream, robot));
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token ok', 'answer ok']);
    assert.equal(tokens.requests[0]?.query, '?service=fake');
  });

  it('tells a token server that refuses the password from one that gives no token', async () => {
    await using tokens = await FakeTokenServer.start();
    await using upstream = await startUpstream({}, tokens.fault);
    tokens.spoil(basicAuth('robot', password));
    const refused = await diagnose(
      plain(upstream, { user: 'robot', password: wrongPassword }),
      alpine(upstream),
    );
    assert.deepEqual(outcomeOf(refused), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(refused).detail, /answered 401, as user "robot"$/);
    assert.match(lastStep(refused).advice, /user "robot" and refused/);
    tokens.spoil(html());
    const page = await diagnose(plain(upstream, robot), alpine(upstream));
    assert.deepEqual(outcomeOf(page), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(page).detail, /answered without a token/);
    assert.match(lastStep(page).advice, /login page/);
  });

  it('says that a token which was fetched just now is not believed', async () => {
    await using tokens = await FakeTokenServer.start();
    await using upstream = await startUpstream({}, tokens.fault);
    upstream.faults.unshift(async (_, next) => {
      tokens.revoke();
      return await next();
    });
    const found = await diagnose(plain(upstream, robot), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token ok', 'answer failed']);
    assert.match(lastStep(found).advice, /clocks/);
  });

  it('shows no challenge that holds the password, however it is written there', async () => {
    const echo = Buffer.from(robot.password).toString('hex').replaceAll(/../g, '%$&');
    const challenge = `Bearer realm="http://127.0.0.1:1/token",service="${echo}"`;
    await using upstream = await startUpstream({}, failing(401, { 'WWW-Authenticate': challenge }));
    const found = await diagnose(plain(upstream, robot), alpine(upstream));
    assert.match(found.text, /ok +challenge +[0-9]+ ms {2}a challenge with a secret in it\n/);
  });

  it('does not call a registry ill that refuses strangers at /v2/ alone', async () => {
    await using tokens = await FakeTokenServer.start();
    tokens.spoil(failing(403, {}, 'DENIED'));
    await using upstream = await startUpstream({}, tokens.fault);
    const found = await diagnose(plain(upstream));
    assert.equal(found.code, 0);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token unproved']);
    assert.match(found.text, /: reached, but not proved\n/);
    const known = await diagnose(plain(upstream, robot));
    assert.equal(known.code, 1);
  });

  it('shows a token server that the configuration does not trust, and asks it nothing', async () => {
    await using tokens = await FakeTokenServer.start();
    await using upstream = await startUpstream({}, tokens.fault);
    const auth = { ...robot, trustedRealms: ['auth.example.com'] };
    const found = await diagnose(plain(upstream, auth), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(found).detail, /not one of its trustedRealms/);
    assert.deepEqual(tokens.requests, []);
  });

  it('tells a token server that is dead from a registry that is', async () => {
    const tokens = await FakeTokenServer.start();
    const { host } = new URL(tokens.realm);
    await using upstream = await startUpstream(
      {},
      bearerAuth(tokens.realm, () => false),
    );
    await tokens[Symbol.asyncDispose]();
    const found = await diagnose(plain(upstream), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(found).detail, new RegExp(`${host} .*connection refused`));
  });

  it('says that nothing listens at a port', async () => {
    const upstream = await startUpstream();
    const { host } = upstream;
    await upstream[Symbol.asyncDispose]();
    const found = await diagnose({ registries: [{ name: host }] });
    assert.equal(found.code, 1);
    assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
    assert.match(lastStep(found).detail, /connection refused.*\(3 tries\)$/);
    assert.match(lastStep(found).advice, /Nothing listens/);
  });

  it('says that a name is not known', async () => {
    const found = await diagnose({ registries: [{ name: 'registry.invalid' }] });
    assert.equal(found.code, 1);
    assert.deepEqual(outcomeOf(found), ['credential ok', 'address failed']);
    assert.match(lastStep(found).advice, /name server/);
  });

  it('shows the operator the address that is refused, and the name server that is silent', () => {
    const origin = new URL('https://registry.example');
    const evidence = new Evidence({} as Walk, { origin, caFiles: [], proxies: ProxyChoice.none });
    evidence.outcome = { error: connectError(origin, silentNameServer('registry.example')) };
    const { detail, advice } = address(evidence);
    assert.match(detail, /the name server does not answer for registry\.example, ETIMEOUT/);
    assert.match(advice ?? '', /resolv\.conf/);
    evidence.add({ kind: 'lookup', origin: origin.origin, addresses: ['10.0.0.5'], ms: 1 }, 0);
    evidence.outcome = { error: new RegistryError('DENIED', 'its address is not public') };
    assert.equal(address(evidence).detail, '10.0.0.5: its address is not public');
  });

  const refusals: [what: string, config: Readonly<Record<string, unknown>>, rule: RegExp][] = [
    ['an address that is not public', {}, /unknownRegistries: public/],
    ['any registry that is not configured', { unknownRegistries: 'none' }, /refused/],
  ];
  for (const [what, config, rule] of refusals) {
    it(`shows the rule that refuses ${what}, and the lines that allow it`, async () => {
      await using upstream = await startUpstream();
      const found = await diagnose(config, alpine(upstream));
      assert.deepEqual(outcomeOf(found), ['credential ok', 'address failed']);
      assert.match(found.reports[0]?.settings.rule ?? '', rule);
      assert.match(lastStep(found).detail, new RegExp(`- name: ${upstream.host}\\n`));
      assert.equal(upstream.connections, 0);
    });
  }

  const answers: [status: number, code: string, auth: unknown, advice: RegExp][] = [
    [403, 'DENIED', robot, /policy/],
    [404, 'MANIFEST_UNKNOWN', robot, /Is the name right/],
    [404, 'MANIFEST_UNKNOWN', {}, /strangers/],
    [429, 'TOOMANYREQUESTS', {}, /quota of this address/],
    [503, 'UNAVAILABLE', {}, /out of order/],
  ];
  for (const [status, code, auth, advice] of answers) {
    it(`explains a ${status} to ${auth === robot ? 'a user' : 'a stranger'}`, async () => {
      const limit = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '0;w=21600' };
      await using upstream = await startUpstream({}, failing(status, limit, code));
      const found = await diagnose(plain(upstream, auth), alpine(upstream));
      assert.equal(found.code, 1);
      assert.match(
        lastStep(found).detail,
        new RegExp(`answered ${status}.*quota: 0 of 100 left per 21600 s`),
      );
      assert.match(lastStep(found).advice, advice);
    });
  }

  it('notes that clocks differ', async () => {
    await using upstream = await startUpstream({}, headers({ Date: 'Thu, 01 Jan 2015 00:00:00 GMT' }));
    const { reports } = await diagnose(plain(upstream));
    assert.match(reports[0]?.notes[0] ?? '', /clock of this machine is \d+ s ahead/);
  });

  it('tells a web page from a registry', async () => {
    await using upstream = await startUpstream({}, html());
    assert.match(lastStep(await diagnose(plain(upstream))).detail, /web page/);
  });

  it('shows the file and the key of Docker’s configuration that count, or that none does', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream({}, basicAuth('robot', password));
    const path = join(directory.path, 'config.json');
    const auth = Buffer.from(`robot:${password}`).toString('base64');
    const config = plain(upstream, { token: { provider: 'dockerConfig', providerOpts: { path } } });
    await writeFile(path, JSON.stringify({ auths: { [`http://${upstream.host}/v2/`]: { auth } } }));
    const found = await diagnose(config);
    assert.equal(found.code, 0, found.text);
    assert.equal(found.reports[0]?.settings.credential, `provider dockerConfig (path ${path})`);
    assert.equal(
      found.reports[0].steps[0]?.detail,
      `user "robot", from ${path}, auth http://${upstream.host}/v2/`,
    );
    await writeFile(path, JSON.stringify({ auths: { 'ghcr.io': { auth } } }));
    const none = await diagnose(config);
    assert.match(none.reports[0]?.steps[0]?.detail ?? '', /^anonymous, from .* which has no entry for it$/);
    assert.match(none.reports[0]?.notes[0] ?? '', /no entry/);
  });

  it('sends nothing where the source of the credential fails, and says so', async () => {
    await using upstream = await startUpstream();
    const token = { provider: 'exec', providerOpts: { command: ['/no/such/helper', password] } };
    const found = await diagnose(plain(upstream, { token }));
    assert.deepEqual(outcomeOf(found), ['credential failed']);
    assert.equal(found.reports[0]?.settings.credential, 'provider exec (command /no/such/helper)');
    assert.equal(upstream.connections, 0);
  });

  it('asks nobody across an air gap', async () => {
    await using upstream = await startUpstream();
    const found = await diagnose({ ...plain(upstream), airGapped: true });
    assert.equal(found.code, 0);
    assert.match(found.text, /upstreams are never asked/);
    assert.equal(upstream.connections, 0);
  });

  it('ends within pullTimeout', async () => {
    await using upstream = await startUpstream({}, async () => await new Promise(() => {}));
    const found = await diagnose({ ...plain(upstream), pullTimeout: 1000 });
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge failed']);
    assert.match(lastStep(found).detail, /1000 ms/);
  });

  it('does not wait longer for a source of credentials either', async () => {
    await using upstream = await startUpstream();
    const token = { provider: 'exec', providerOpts: { command: ['/bin/sh', '-c', 'exec sleep 60'] } };
    const found = await diagnose({ ...plain(upstream, { token }), pullTimeout: 900 });
    assert.deepEqual(outcomeOf(found), ['credential failed']);
    assert.match(lastStep(found).detail, /900 ms \(pullTimeout\)/);
  });

  it('does not repeat a password that stands in a challenge', async () => {
    const realm = `http://someone:${wrongPassword}@127.0.0.1:1/token`;
    await using upstream = await startUpstream(
      {},
      bearerAuth(realm, () => false),
    );
    const found = await diagnose(plain(upstream), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token failed']);
    assert.match(found.text, /realm http:\/\/127\.0\.0\.1:1\/token/);
  });

  it('tries all side by side and tells them in the order of the configuration', async () => {
    const asked = Promise.withResolvers<void>();
    await using slow = await startUpstream({}, async (_, next) => {
      await asked.promise;
      return await next();
    });
    await using quick = await startUpstream({}, async (_, next) => {
      asked.resolve();
      return await next();
    });
    const registries = [slow, quick].map(({ host }) => ({ name: host, scheme: 'http' }));
    const { reports } = await diagnose({ registries });
    assert.deepEqual(
      reports.map(({ subject, status }) => [subject, status]),
      [slow, quick].map(({ host }) => [host, 'ok']),
    );
  });

  const names: [name: string, path: string][] = [
    ['hub', 'GET /v2/'],
    ['hub/library/alpine:v1', 'HEAD /v2/library/alpine/manifests/v1'],
    ['library/alpine', 'HEAD /v2/library/alpine/manifests/latest'],
    ['alpine:v1', 'HEAD /v2/alpine/manifests/v1'],
    [`a/b:v1@sha256:${'0'.repeat(64)}`, `HEAD /v2/a/b/manifests/sha256:${'0'.repeat(64)}`],
  ];
  for (const [name, call] of names) {
    it(`reads ${name.replace(/0{64}/, '…')} as the server would`, async () => {
      await using upstream = await startUpstream();
      const registries = [{ name: upstream.host, scheme: 'http', alias: 'hub' }];
      await diagnose({ registries, defaultNs: upstream.host }, name);
      assert.equal(upstream.calls[0], call);
    });
  }

  it('does nothing for a name that is none', async () => {
    for (const name of ['UPPER/case', 'a b', 'no-registry/app']) {
      const { code, stdout, stderr } = await runDoctor({}, ['doctor', name]);
      assert.deepEqual([code, stdout], [1, ''], name);
      assert.notEqual(stderr, '');
    }
  });

  it('says what to do where nothing is configured, and what is wrong with a configuration', async () => {
    assert.match((await runDoctor({}, ['doctor'])).stdout, /^No registry is configured/);
    const wrong = await runDoctor({ registriez: [] }, ['doctor']);
    assert.deepEqual([wrong.code, wrong.stdout], [1, '']);
    assert.match(wrong.stderr, /did you mean "registries"/);
    assert.match(
      (await runDoctor({}, ['doctor', '--output', 'xml'])).stderr,
      /--output: must be text or json/,
    );
  });
});

describe('ociregistry doctor, over TLS', needs('openssl'), () => {
  let authority: TestAuthority;
  before(async () => {
    authority = await TestAuthority.create();
  });
  after(async () => await authority[Symbol.asyncDispose]());

  async function startSecure(names: string): Promise<FakeUpstream> {
    return await startUpstream({ tls: await serverKeys(await authority.issue('server', names)) });
  }
  const secure = ({ host }: FakeUpstream, tls: unknown) => ({ registries: [{ name: host, tls }] });

  it('names tls.ca where the authority is not known', async () => {
    await using upstream = await startSecure('IP:127.0.0.1');
    const found = await diagnose(secure(upstream, {}));
    assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
    assert.match(lastStep(found).advice, /registries\[\]\.tls\.ca\./);
    assert.match(
      lastStep(found).detail,
      /\(its certificate authority is not known; name it in tls\.ca, .*[A-Z_]+\)/,
    );
    assert.doesNotMatch(lastStep(found).detail, /unable to|error:/);
  });

  it('shows the certificate that was believed, and which files count', async () => {
    await using upstream = await startSecure('IP:127.0.0.1');
    const found = await diagnose(secure(upstream, { ca: authority.caFile }));
    assert.equal(found.code, 0, found.text);
    assert.equal(found.reports[0]?.settings.tls, `the usual certificate authorities and ${authority.caFile}`);
    assert.match(found.text, /127\.0\.0\.1, TLSv1\.3, certificate by test authority, valid to \w+/);
  });

  it('says that a certificate was not checked', async () => {
    await using upstream = await startSecure('IP:127.0.0.1');
    const found = await diagnose(secure(upstream, { insecureSkipVerify: true }));
    assert.equal(found.code, 0);
    assert.match(found.text, /NOT trusted: insecureSkipVerify let it pass/);
  });

  it('shows for whom the certificate is, if for another', async () => {
    await using upstream = await startSecure('DNS:registry.example.com');
    const found = await diagnose(secure(upstream, { ca: authority.caFile }));
    assert.match(lastStep(found).detail, /its certificate is for another host.*Host|127\.0\.0\.1/);
    assert.match(lastStep(found).advice, /as its certificate does/);
  });

  it('names the file that cannot be read', async () => {
    await using upstream = await startSecure('IP:127.0.0.1');
    const found = await diagnose(secure(upstream, { ca: '/no/such/ca.crt' }));
    assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
    assert.match(lastStep(found).detail, /\/no\/such\/ca\.crt/);
  });

  it('names the scheme where one side speaks TLS and the other does not', async () => {
    await using open = await startUpstream();
    const found = await diagnose({ registries: [{ name: open.host }] });
    assert.match(lastStep(found).advice, /scheme: http\./);
    assert.match(lastStep(found).detail, /; for plain HTTP set scheme: http, [A-Z_]+\)/);
    assert.doesNotMatch(lastStep(found).detail, /error:|routines/);
    await using upstream = await startSecure('IP:127.0.0.1');
    const other = await diagnose(plain(upstream));
    assert.equal(other.code, 1);
    assert.match(lastStep(other).advice, /speaks TLS/);
    assert.match(
      lastStep(other).detail,
      /does not speak HTTP on this port; for TLS set scheme: https|broke off|reset/,
    );
  });
});
