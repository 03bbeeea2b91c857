import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Credential, staticCredential } from '#src/credentials/credentials.ts';
import { parseEcrHost } from '#src/credentials/ecr-host.ts';
import { readBody } from '#src/net/body.ts';
import { RegistryError } from '#src/oci/error.ts';
import { NoAnswer } from '#src/oci/no-answer.ts';
import { challenged, grants, json, ScriptedAuth, wantsBearer } from '#test/fakes/scripted-auth.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import type { AnswerScript, ScriptedAnswer } from '#test/fakes/scripted-transport.ts';
import { secret } from '#test/fakes/secrets.ts';

const old = staticCredential(btoa(secret('old')));
const fresh = staticCredential(btoa(secret('new')));
const ecr = new URL('https://111122223333.dkr.ecr.eu-west-1.amazonaws.com');
const expired = json(
  { errors: [{ code: 'DENIED', message: 'Your authorization token has expired. Reauthenticate' }] },
  403,
);
const denied = json({ errors: [{ code: 'DENIED', message: 'User is not authorized' }] }, 403);

/** Takes one header; all others get this. */
function takes(header: string, refusal: ScriptedAnswer): AnswerScript {
  return ({ headers }) => (headers?.['authorization'] === header ? { status: 200 } : refusal);
}

function basic(password: string): Credential {
  return { kind: 'basic', username: 'u', password: secret(password) };
}

function basicHeader(password: string): string {
  return `Basic ${Buffer.from(`u:${secret(password)}`).toString('base64')}`;
}

describe('a credential that cannot be had', () => {
  const failure = new RegistryError('UNAVAILABLE', 'no credentials from AWS');
  for (const [what, of] of [
    ['is not known', async () => await Promise.reject(failure)],
    ['fails', async () => ({ name: 'aws', get: async () => await Promise.reject(failure) })],
  ] as const) {
    it(`since its source ${what} leaves the registry unasked, and says nothing of it`, async () => {
      const auth = new ScriptedAuth({ registry: () => ({ status: 200 }), of });
      const { message, status } = failure;
      await assert.rejects(auth.get(), (error) => {
        assert.ok(error instanceof NoAnswer);
        assert.deepEqual([error.saysOf, error.forOperator, error.status], ['nothing', message, status]);
        assert.match(error.message, /^the configured credential cannot be had: .*ociregistry doctor/);
        return true;
      });
      assert.deepEqual(auth.carried, []);
    });
  }
});

describe('a credential that a registry refuses', () => {
  it('is renewed, and the request is sent again with the new one', async () => {
    const auth = new ScriptedAuth({
      registry: takes(`Basic ${btoa(secret('new'))}`, challenged('Basic realm="x"')),
      credential: old,
    });
    auth.renewed = fresh;
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, [`Basic ${btoa(secret('old'))}`, `Basic ${btoa(secret('new'))}`]);
    assert.deepEqual(auth.refused, [old]);
    assert.equal(auth.registry.unread, 0);
  });

  it('is renewed once for a request, whatever the new one is worth', async () => {
    const auth = new ScriptedAuth({
      registry: takes('never', challenged('Basic realm="x"')),
      credential: old,
    });
    auth.renewed = fresh;
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, [`Basic ${btoa(secret('old'))}`, `Basic ${btoa(secret('new'))}`]);
    assert.deepEqual(auth.refused, [old]);
  });

  it('is final when there is no other', async () => {
    const auth = new ScriptedAuth({
      registry: takes('never', challenged('Basic realm="x"')),
      credential: old,
    });
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, [`Basic ${btoa(secret('old'))}`]);
  });

  it('is renewed also when it is user and password, after the challenge', async () => {
    const registry = takes(basicHeader('new'), challenged('Basic realm="x"'));
    const auth = new ScriptedAuth({ registry, credential: basic('old') });
    auth.renewed = basic('new');
    assert.equal(await auth.get(), 200);
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', basicHeader('old'), basicHeader('new'), basicHeader('new')]);
  });

  it('is not in question while nothing was sent', async () => {
    const auth = new ScriptedAuth({ registry: takes('never', { status: 401 }), credential: basic('old') });
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.refused, []);
  });

  it('is not in question by a 403, which is about what was asked for', async () => {
    const auth = new ScriptedAuth({ registry: takes('never', expired), credential: old });
    auth.renewed = fresh;
    assert.equal(await auth.get(), 403);
    assert.deepEqual(auth.refused, []);
  });
});

describe('a credential that a token server refuses', () => {
  for (const status of [400, 401, 403]) {
    it(`with ${status} is renewed, and the server is asked again`, async () => {
      const tokens: AnswerScript = (request, count) =>
        request.headers?.['authorization'] === basicHeader('new') ? grants()(request, count) : { status };
      const auth = new ScriptedAuth({ registry: wantsBearer(), tokens, credential: basic('old') });
      auth.renewed = basic('new');
      assert.equal(await auth.get(), 200);
      assert.equal(auth.carried.at(-1), 'Bearer t2');
      assert.equal(auth.refused.length, 1);
    });
  }

  it('is renewed also when it is a refresh token', async () => {
    const tokens: AnswerScript = (request, count) =>
      request.body?.includes(`refresh_token=${secret('new')}`) === true
        ? grants()(request, count)
        : { status: 401 };
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens,
      credential: { kind: 'refresh', token: secret('old') },
    });
    auth.renewed = { kind: 'refresh', token: secret('new') };
    assert.equal(await auth.get(), 200);
    assert.equal(auth.refused.length, 1);
  });

  it('is the one in question though it was changed while its turn was waited for', async () => {
    const held = gate();
    const tokens: AnswerScript = async (request, count) => {
      if (request.url.searchParams.get('scope')?.includes(':held/') === true) await held.wait();
      const isNew = request.headers?.['authorization'] === basicHeader('new');
      return isNew ? await grants()(request, count) : { status: 401 };
    };
    const [before, after] = [basic('old'), basic('new')];
    const auth = new ScriptedAuth({ registry: wantsBearer(), tokens, credential: before });
    const silent = ['held/a', 'held/b', 'held/c'].map(async (path) => await auth.get(path));
    const waiting = auth.get('ours/a');
    await auth.clock.untilSleeping();
    auth.credential = after;
    assert.equal(await auth.get('ours/b'), 200);
    await auth.clock.advance(2000);
    assert.equal(await waiting, 200);
    assert.deepEqual(
      auth.refused.map((credential) => credential === before),
      [true],
    );
    held.open();
    await Promise.all(silent);
  });

  it('with what was had by it is not used for the one that it was changed for', async () => {
    const slow = gate();
    const tokens: AnswerScript = async (request, count) => {
      const isOld = request.headers?.['authorization'] === basicHeader('old');
      if (isOld) await slow.wait();
      return json({ token: `t${count}`, expires_in: 300, ...(isOld && { refresh_token: 'of-old' }) });
    };
    const auth = new ScriptedAuth({ registry: wantsBearer(), tokens, credential: basic('old') });
    const first = auth.get('ours/a');
    await slow.reached;
    auth.credential = basic('new');
    assert.equal(await auth.get('ours/b'), 200);
    slow.open();
    assert.equal(await first, 200);
    assert.equal(await auth.get('ours/c'), 200);
    assert.deepEqual(
      auth.tokens.requests.map(({ method }) => method),
      ['GET', 'GET', 'GET'],
    );
  });

  it('and for which there is no other is a refusal', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: () => ({ status: 401 }),
      credential: basic('old'),
    });
    // The registry itself has answered, which its circuit is to know.
    await assert.rejects(auth.get(), { code: 'DENIED', origin: 'https://registry.example.com' });
    assert.equal(auth.tokens.requests.length, 1);
  });

  it('is not in question when the server is out of order', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: () => ({ status: 503 }),
      credential: basic('old'),
    });
    await assert.rejects(auth.get(), { status: 503 });
    assert.deepEqual(auth.refused, []);
  });
});

describe('a private registry at AWS', () => {
  for (const status of [400, 403]) {
    it(`that says by ${status} that the token has expired has it renewed`, async () => {
      const registry = takes(`Basic ${btoa(secret('new'))}`, { ...expired, status });
      const auth = new ScriptedAuth({ server: ecr, registry, credential: old });
      auth.renewed = fresh;
      assert.equal(await auth.get(), 200);
      assert.deepEqual(auth.carried, [`Basic ${btoa(secret('old'))}`, `Basic ${btoa(secret('new'))}`]);
      assert.equal(auth.registry.unread, 0);
    });
  }

  it('that refuses for another reason has its words passed on', async () => {
    const auth = new ScriptedAuth({ server: ecr, registry: takes('never', denied), credential: old });
    auth.renewed = fresh;
    await using response = await auth.transport.send({
      method: 'GET',
      url: new URL('/v2/a/manifests/v1', ecr),
    });
    assert.equal(response.status, 403);
    assert.match(
      String(await readBody(response, { maxBytes: 9999, what: 'body' })),
      /User is not authorized/,
    );
    assert.deepEqual(auth.refused, []);
  });

  it('that answers a HEAD cannot say why: the token is renewed', async () => {
    const registry = takes(`Basic ${btoa(secret('new'))}`, { status: 403 });
    const auth = new ScriptedAuth({ server: ecr, registry, credential: old });
    auth.renewed = fresh;
    assert.equal(await auth.get('a/b', { method: 'HEAD' }), 200);
  });
});

describe('the host of a private registry at AWS', () => {
  const hosts: [host: string, region: string, isFips: boolean, isDualStack: boolean][] = [
    ['111122223333.dkr.ecr.us-east-1.amazonaws.com', 'us-east-1', false, false],
    ['111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1', true, false],
    ['111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn', 'cn-north-1', false, false],
    ['111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1', false, false],
    ['111122223333.dkr-ecr.eu-west-1.on.aws', 'eu-west-1', false, true],
    ['111122223333.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn', 'cn-north-1', false, true],
    ['111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov', 'us-iso-east-1', false, false],
    ['111122223333.dkr.ecr.us-isob-east-1.sc2s.sgov.gov', 'us-isob-east-1', false, false],
    ['111122223333.dkr.ecr.eu-west-1.amazonaws.com:443', 'eu-west-1', false, false],
  ];
  for (const [host, region, isFips, isDualStack] of hosts) {
    it(`names its region: ${host}`, () => {
      const [account] = host.split('.');
      assert.deepEqual(parseEcrHost(host), { account, region, isFips, isDualStack });
    });
  }

  it('is none of another’s', () => {
    for (const host of [
      'public.ecr.aws',
      '127.0.0.1:5000',
      'x.dkr.ecr.eu-west-1.amazonaws.com',
      '1.dkr.ecr.eu-west-1.amazonaws.com.example.com',
      'evil.com.1.dkr.ecr.eu-west-1.amazonaws.com',
    ]) {
      assert.equal(parseEcrHost(host), undefined, host);
    }
  });
});
