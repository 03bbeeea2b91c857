import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  alpine,
  type Diagnosis,
  diagnose,
  diagnoseWith,
  lastStep,
  outcomeOf,
  plain,
  reached,
  startUpstream,
} from '#test/fakes/diagnosis.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import type { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { knowsPasswords, MeteredAccounts, rightPassword } from '#test/fakes/metered-accounts.ts';
import { secret } from '#test/fakes/secrets.ts';
import { basicAuth, failing } from '#test/fakes/upstream-faults.ts';

const password = secret('horse');
const robot = { user: 'robot', password };
const open = ['challenge needless', 'token needless', 'answer ok'];

/** What stands above each block: `HOST by http://mirror: ok`, with letters for the registries. */
function titles({ text }: Diagnosis, ...hosts: readonly FakeUpstream[]): string[] {
  let named = text;
  for (const [index, { host }] of hosts.entries()) named = named.replaceAll(host, 'ABC'.charAt(index));
  return named.split('\n').filter((line) => /^\S/.test(line));
}

describe('ociregistry doctor, of a registry with mirrors', () => {
  const mirrored = (itself: FakeUpstream, endpoints: string[], ...others: unknown[]) => ({
    registries: [{ name: itself.host, scheme: 'http', endpoints }, ...others],
  });

  it('goes to each as the server does, in a block of its own with the mirror’s own credential', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream({}, basicAuth('robot', password));
    putImage(mirror.content, mirror.repository('proxy/library/alpine'), 'v1', []);
    const endpoint = `${mirror.origin}/proxy`;
    const own = { name: mirror.host, scheme: 'http', auth: robot };
    const found = await diagnose(mirrored(itself, [endpoint], own), alpine(itself));
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(titles(found, itself, mirror), [
      'A/library/alpine:v1: ok',
      'A/library/alpine:v1 by http://B/proxy: ok',
    ]);
    const [first, second] = found.reports;
    assert.equal(first?.settings.mirrors, endpoint);
    assert.deepEqual(second?.settings, {
      rule: `a mirror of ${itself.host}, with the entry ${mirror.host}`,
      origin: `${mirror.origin}/v2/proxy`,
      proxy: 'none',
      tls: 'none (scheme: http)',
      credential: 'user "robot", password from the configuration',
      accounts: 'none',
    });
    assert.equal(second.by, endpoint);
    assert.deepEqual(outcomeOf(found, 1), [...reached, 'challenge ok', 'token needless', 'answer ok']);
    const call = `HEAD /v2/proxy/library/alpine/manifests/v1?ns=${encodeURIComponent(itself.host)}`;
    assert.deepEqual(mirror.calls, Array(4).fill(call));
    assert.equal(itself.requests[0]?.headers.authorization, undefined);
  });

  it('asks one that keeps its repositories below a prefix for the API above it', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream();
    const found = await diagnose(mirrored(itself, [`${mirror.origin}/v2/proxy`]));
    assert.equal(found.code, 0, found.text);
    assert.equal(mirror.calls[0], `GET /v2/?ns=${encodeURIComponent(itself.host)}`);
  });

  it('fails for one that fails, and says that pulls still work through the registry', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream({}, failing(503));
    const found = await diagnose(mirrored(itself, [mirror.origin]), alpine(itself));
    assert.equal(found.code, 1);
    assert.deepEqual(titles(found, itself, mirror), [
      'A/library/alpine:v1: ok',
      'A/library/alpine:v1 by http://B: FAILED at answer',
    ]);
    assert.deepEqual(found.reports[0]?.notes, []);
    assert.deepEqual(found.reports[1]?.notes, ['pulls still work through the registry itself']);
  });

  it('says the same the other way round, and nothing where no way is left', async () => {
    await using itself = await startUpstream({}, failing(503));
    await using dead = await startUpstream({}, failing(503));
    await using mirror = await startUpstream();
    const found = await diagnose(mirrored(itself, [dead.origin, mirror.origin]), alpine(itself));
    assert.equal(found.code, 1);
    const note = `pulls still work through ${mirror.origin}`;
    assert.deepEqual(
      found.reports.map(({ notes }) => notes),
      [[note], [note], []],
    );
    const none = await diagnose(mirrored(itself, [dead.origin]), alpine(itself));
    assert.deepEqual(
      none.reports.map(({ notes }) => notes),
      [[], []],
    );
  });

  it('shows nothing of the registry’s to a mirror, and says how a mirror gets a credential', async () => {
    await using itself = await startUpstream({}, basicAuth('robot', password));
    await using mirror = await startUpstream({}, basicAuth('robot', password));
    const entry = { name: itself.host, scheme: 'http', endpoints: [mirror.origin], auth: robot };
    const found = await diagnose({ registries: [entry] }, alpine(itself));
    assert.equal(found.code, 1);
    assert.match(found.reports[1]?.settings.rule ?? '', /without an entry of its own/);
    assert.match(lastStep(found, 1).detail, /answered 401/);
    assert.match(lastStep(found, 1).advice, new RegExp(`entry .* under registries \\(name: ${mirror.host},`));
    assert.ok(mirror.requests.length > 0);
    for (const { headers } of mirror.requests) assert.equal(headers.authorization, undefined);
  });

  it('says of a mirror without the image that its path may be another', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream();
    const found = await diagnose(mirrored(itself, [`${mirror.origin}/docker/v2`]), alpine(itself));
    assert.match(lastStep(found, 1).detail, /answered 404/);
    assert.match(lastStep(found, 1).advice, /another path: registries\[\]\.endpoints/);
    assert.match(mirror.calls[0] ?? '', /^HEAD \/docker\/v2\/library\/alpine\/manifests\/v1\?ns=/);
  });

  it('asks no mirror across an air gap', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream();
    const found = await diagnose({ ...mirrored(itself, [mirror.origin]), airGapped: true });
    assert.equal(found.reports.length, 1);
    assert.equal(mirror.connections + itself.connections, 0);
  });
});

describe('ociregistry doctor, of a registry with several accounts', () => {
  const alice = { user: 'alice', password: rightPassword };
  const bob = { user: 'bob', passwordFromEnv: 'BOB' };
  const env = { BOB: rightPassword };

  it('tries each, and shows what is left of each one’s quota', async () => {
    const quotas = { alice: { limit: 200, remaining: 76 }, bob: { limit: 100, remaining: 0 } };
    const meters = new MeteredAccounts(quotas);
    await using upstream = await startUpstream({}, knowsPasswords, meters.fault);
    const found = await diagnoseWith(env, plain(upstream, { ...alice, accounts: [bob] }), alpine(upstream));
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(titles(found, upstream), [
      'A/library/alpine:v1 as user "alice": ok',
      'A/library/alpine:v1 as user "bob": ok',
    ]);
    assert.equal(found.reports[0]?.settings.accounts, 'user "alice", user "bob"');
    assert.deepEqual(found.reports[1]?.settings, {
      credential: 'user "bob", password from the environment variable BOB',
    });
    assert.match(lastStep(found, 0).detail, /, quota: 76 of 200 left per 21600 s$/);
    assert.match(lastStep(found, 1).detail, /, quota: 0 of 100 left per 21600 s$/);
    assert.deepEqual([...new Set(meters.users)].toSorted(), ['alice', 'bob']);
  });

  it('finds the wrong password of the second, and says that the first is still there', async () => {
    await using upstream = await startUpstream({}, knowsPasswords);
    const config = plain(upstream, { ...alice, accounts: [bob] });
    const found = await diagnoseWith({ BOB: password }, config, alpine(upstream));
    assert.equal(found.code, 1);
    assert.deepEqual(outcomeOf(found, 1).slice(-1), ['answer failed']);
    assert.match(lastStep(found, 1).detail, /answered 401, as user "bob" \(sent: basic\)$/);
    assert.match(lastStep(found, 1).advice, /user "bob" and refused/);
    assert.deepEqual(found.reports[1]?.notes, ['pulls still work as user "alice"']);
    assert.equal(found.reports[0]?.status, 'ok');
  });

  it('finds it at a token server, too', async () => {
    await using tokens = await FakeTokenServer.start();
    tokens.spoil(basicAuth('robot', password));
    await using upstream = await startUpstream({}, tokens.fault);
    const found = await diagnoseWith(env, plain(upstream, { ...robot, accounts: [bob] }), alpine(upstream));
    assert.equal(found.code, 1);
    assert.deepEqual(outcomeOf(found, 0), [...reached, 'challenge ok', 'token ok', 'answer ok']);
    assert.deepEqual(outcomeOf(found, 1), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(found, 1).detail, /answered 401, as user "bob"$/);
  });

  it('tries those of a mirror, and goes on with the other one there', async () => {
    await using itself = await startUpstream();
    await using mirror = await startUpstream({}, knowsPasswords);
    const registries = [
      { name: itself.host, scheme: 'http', endpoints: [mirror.origin] },
      { name: mirror.host, scheme: 'http', auth: { ...alice, accounts: [bob] } },
    ];
    const found = await diagnoseWith({ BOB: password }, { registries }, alpine(itself));
    assert.deepEqual(titles(found, itself, mirror), [
      'A/library/alpine:v1: ok',
      'A/library/alpine:v1 by http://B as user "alice": ok',
      'A/library/alpine:v1 by http://B as user "bob": FAILED at answer',
    ]);
    assert.deepEqual(found.reports[2]?.notes, ['pulls still work as user "alice"']);
  });

  it('is nobody else where there are accounts alone', async () => {
    await using upstream = await startUpstream({}, knowsPasswords);
    const found = await diagnoseWith(env, plain(upstream, { accounts: [bob] }), alpine(upstream));
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(titles(found, upstream), ['A/library/alpine:v1: ok']);
    assert.equal(
      found.reports[0]?.settings.credential,
      'user "bob", password from the environment variable BOB',
    );
  });

  it('is one way where there is one', async () => {
    await using upstream = await startUpstream();
    const found = await diagnose(plain(upstream), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, ...open]);
    assert.deepEqual(Object.keys(found.reports[0] ?? {}).includes('as'), false);
  });
});

describe('ociregistry doctor, where it is limited', () => {
  const limit = {
    'RateLimit-Limit': '100;w=21600',
    'RateLimit-Remaining': '0;w=21600',
    'Retry-After': '90',
  };

  it('shows what is left and when to come again, of a registry', async () => {
    await using upstream = await startUpstream({}, failing(429, limit, 'TOOMANYREQUESTS'));
    const { detail } = lastStep(await diagnose(plain(upstream), alpine(upstream)));
    assert.match(detail, /answered 429.*, quota: 0 of 100 left per 21600 s, retry after 90 s$/);
    assert.equal(upstream.calls.length, 2);
  });

  it('shows the same of a token server', async () => {
    await using tokens = await FakeTokenServer.start();
    tokens.spoil(failing(429, limit));
    await using upstream = await startUpstream({}, tokens.fault);
    const { detail, advice } = lastStep(await diagnose(plain(upstream), alpine(upstream)));
    assert.match(
      detail,
      /answered 429, without credentials, quota: 0 of 100 left per 21600 s, retry after 90 s$/,
    );
    assert.match(advice, /quota of this address/);
  });
});
