import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type Guard, GuardedUpstream } from '#test/fakes/guarded-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { type Answer, ask, codeOf } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { delayed, failing, on } from '#test/fakes/upstream-faults.ts';
import { waited } from '#test/fakes/waited.ts';

const minute = 60_000;
const ourChallenge = 'Basic realm="ociregistry",charset="UTF-8"';

/** A registry with `team/app`, which alice and carol may pull, and bob may not; and a cache of it. */
async function open(guard: Guard = 'basic', more: Record<string, unknown> = {}, config: object = {}) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const guarded = stack.use(await GuardedUpstream.start(guard));
  const { upstream } = guarded;
  const alice = guarded.add('alice', 'team/app', 'team/other');
  const bob = guarded.add('bob', 'pub/app');
  const carol = guarded.add('carol', 'team/app');
  const repository = upstream.repository('team/app');
  const layer = bytes(200_000);
  const image = putImage(upstream.content, repository, 'v1', [layer]);
  putImage(upstream.content, upstream.repository('pub/app'), 'v1', [bytes(2000, 2)]);
  putImage(upstream.content, upstream.repository('team/other'), 'v1', [bytes(2000, 3)]);
  const subject = { ...image.manifest };
  const signature = upstream.content.putManifest(
    repository,
    undefined,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociManifest,
        artifactType: 'application/x.signature',
        config: image.config,
        layers: [],
        subject,
      }),
    ),
    ociManifest,
  );
  const clock = new FakeClock();
  const log = new LogLines();
  const registries = [
    {
      ...{ name: upstream.host, scheme: 'http' as const, alias: 'up' },
      authorization: 'passThrough' as const,
      ...more,
    },
  ];
  const settings = { imagePath: directory.path, logLevel: 'debug' as const, registries, ...config };
  const app = stack.use(await runApp(settings as never, { log, clock, random: () => 0 }));
  const get = async (
    who: string | undefined,
    path: string,
    { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<Answer> =>
    await ask(app.server, path.startsWith('/') ? path : `/v2/up/team/app/${path}`, {
      method,
      headers: { ...headers, ...(who !== undefined && { authorization: who }) },
    });
  const kept = stack.move();
  return {
    ...{ guarded, upstream, app, clock, log, get, alice, bob, carol, image, layer, signature },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

type Open = Awaited<ReturnType<typeof open>>;

/** All that can be asked for, as paths behind the repository. */
function questions({ image, signature }: Open): [what: string, path: string, more?: object][] {
  const { digest } = image.manifest;
  const layer = image.layers[0]?.digest ?? '';
  return [
    ['a manifest by tag', 'manifests/v1'],
    ['a manifest by digest', `manifests/${digest}`],
    ['a HEAD by tag', 'manifests/v1', { method: 'HEAD' }],
    ['a HEAD by digest', `manifests/${digest}`, { method: 'HEAD' }],
    ['a blob', `blobs/${layer}`],
    ['a small blob', `blobs/${image.config.digest}`],
    ['a HEAD of a blob', `blobs/${layer}`, { method: 'HEAD' }],
    ['a range of a blob', `blobs/${layer}`, { headers: { range: 'bytes=5-9' } }],
    ['two ranges of a blob', `blobs/${layer}`, { headers: { range: 'bytes=5-9,20-29' } }],
    ['the tags', 'tags/list'],
    ['what refers to it', `referrers/${digest}`],
    ['what refers to it, by digest', `manifests/${signature.digest}`],
    ['what he has already', `manifests/${digest}`, { headers: { 'if-none-match': `"${digest}"` } }],
  ];
}

function assertRefused(answer: Answer, what: string, isHead = false): void {
  assert.equal(answer.status, 401, what);
  if (!isHead) assert.equal(codeOf(answer), 'UNAUTHORIZED', what);
  assert.equal(answer.headers['www-authenticate'], ourChallenge, what);
  for (const name of ['docker-content-digest', 'etag', 'content-range', 'link'])
    assert.equal(answer.headers[name], undefined, what);
}

const statusOf = ({ headers }: Answer): string => String(headers['cache-status']);

async function pullAll(test: Open, who: string): Promise<void> {
  for (const [what, path, more] of questions(test)) {
    const { status } = await test.get(who, path, more);
    assert.ok(status === 200 || status === 206 || status === 304, `${what}: ${status}`);
  }
  // On its way to the store it is one caller's still.
  for (const { digest } of [test.image.config, ...test.image.layers])
    while (!/; hit/.test(statusOf(await test.get(who, `blobs/${digest}`, { method: 'HEAD' }))));
}

for (const guard of ['basic', 'bearer'] as const) {
  describe(`a registry that is asked in the name of each client (${guard})`, () => {
    it('gives whoever may all of it, and asks for a password first', async () => {
      await using test = await open(guard);
      for (const [what, path, more] of questions(test))
        assertRefused(await test.get(undefined, path, more), what, what.startsWith('a HEAD'));
      assert.deepEqual(test.guarded.take(), []);
      await pullAll(test, test.alice);
      const layer = await test.get(test.alice, `blobs/${test.image.layers[0]?.digest}`);
      assert.equal(sha256(layer.body), test.image.layers[0]?.digest);
      const { body } = await test.get(test.alice, `referrers/${test.image.manifest.digest}`);
      assert.match(body.toString(), new RegExp(test.signature.digest));
    });

    it('gives whoever may not none of it, be it cached or not, once or twice in a row', async () => {
      await using test = await open(guard);
      for (const isCached of [false, true]) {
        if (isCached) {
          await pullAll(test, test.alice);
          await pullAll(test, test.alice);
          await test.clock.advance(minute);
        }
        test.guarded.take();
        for (const who of [test.bob, basicHeader('alice', secret('wrong'))])
          for (const [what, path, more] of questions(test))
            for (let turn = 0; turn < 2; turn += 1)
              assertRefused(
                await test.get(who, path, more),
                `${what}, cached: ${isCached}`,
                /HEAD/.test(what),
              );
        // By his own credential, and nobody else's: not by hers, who has brought it.
        const asked = new Set(test.guarded.take().map((line) => line.split(' ', 1)[0]));
        assert.ok(asked.has('bob') && asked.has('?') && !asked.has('alice'), [...asked].join());
      }
      // And alice has it all the same.
      await pullAll(test, test.alice);
    });

    it('asks for somebody once a minute and repository, in his own name alone', async () => {
      await using test = await open(guard);
      await pullAll(test, test.alice);
      test.guarded.take();
      await test.get(test.carol, 'manifests/v1');
      await test.get(test.carol, `blobs/${test.image.layers[0]?.digest}`);
      const heads = (lines: string[]) =>
        lines.filter((line) => /^(?:alice|carol) /.test(line) && !/token/.test(line));
      assert.deepEqual(heads(test.guarded.take()), ['carol HEAD /v2/team/app/manifests/v1']);
      await test.clock.advance(minute - 1);
      await test.get(test.carol, `blobs/${test.image.layers[0]?.digest}`);
      assert.deepEqual(test.guarded.take(), []);
      await test.clock.advance(1);
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          assert.equal((await test.get(test.carol, `blobs/${test.image.layers[0]?.digest}`)).status, 200);
        }),
      );
      assert.deepEqual(heads(test.guarded.take()), [
        `carol HEAD /v2/team/app/manifests/${test.image.manifest.digest}`,
      ]);
    });

    it('fetches for each what is not cached by his own credential', async () => {
      await using test = await open(guard);
      const layer = `blobs/${test.image.layers[0]?.digest}`;
      const answers = await Promise.all(
        [test.alice, test.carol, test.bob].map(async (who) => [
          await test.get(who, 'manifests/v1'),
          await test.get(who, layer),
        ]),
      );
      assert.deepEqual(
        answers.map((pair) => pair.map(({ status }) => status)),
        [
          [200, 200],
          [200, 200],
          [401, 401],
        ],
      );
      // Whatever was given by the registry, it was given to who asked for it.
      const asked = test.guarded.take();
      for (const who of ['alice', 'carol'])
        assert.ok(asked.includes(`${who} HEAD /v2/team/app/manifests/v1`), asked.join('\n'));
    });

    it('looks at the password itself once a minute, however long a token lives', async () => {
      await using test = await open(guard);
      assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
      const old = test.alice;
      test.guarded.userOf('alice').password = secret('changed');
      const changed = basicHeader('alice', secret('changed'));
      assert.equal((await test.get(changed, 'manifests/v1')).status, 200);
      await test.clock.advance(minute);
      assertRefused(await test.get(old, 'manifests/v1'), 'by tag');
      assertRefused(await test.get(old, `blobs/${test.image.config.digest}`), 'a blob');
      assert.equal((await test.get(changed, 'manifests/v1')).status, 200);
    });

    it('ends at once what the registry takes back', async () => {
      await using test = await open(guard);
      await pullAll(test, test.alice);
      await pullAll(test, test.carol);
      test.guarded.userOf('alice').may.delete('team/app');
      // What is not cached is asked for; a token that was had before is as good as the registry has it.
      await test.clock.advance(minute);
      const { status } = await test.get(test.alice, 'manifests/none');
      assert.equal(status, 401);
      for (const [what, path, more] of questions(test))
        assertRefused(await test.get(test.alice, path, more), what, /HEAD/.test(what));
      await pullAll(test, test.carol);
    });
  });
}

describe('an outage of a registry that is asked in the name of each client', () => {
  const outages: [what: string, begin: (test: Open) => Promise<void> | void][] = [
    ['that is away', async ({ upstream }) => await upstream[Symbol.asyncDispose]()],
    ['that fails', ({ upstream }) => void upstream.faults.unshift(failing(500))],
    ['that limits', ({ upstream }) => void upstream.faults.unshift(failing(429))],
  ];
  for (const [what, begin] of outages) {
    it(`${what}: gives what is cached to whom it was given in the last hour, and to nobody else`, async () => {
      await using test = await open();
      await pullAll(test, test.alice);
      await begin(test);
      await test.clock.advance(minute);
      const layer = `blobs/${test.image.layers[0]?.digest}`;
      const paths = ['manifests/v1', `manifests/${test.image.manifest.digest}`, layer, 'tags/list'];
      for (const path of paths) {
        assert.equal((await waited(test.clock, test.get(test.alice, path))).status, 200, path);
        for (const who of [test.bob, test.carol]) {
          const { status } = await waited(test.clock, test.get(who, path));
          assert.ok(status === 429 || status >= 500, `${path}: ${status}`);
        }
      }
      await test.clock.advance(60 * minute);
      for (const path of paths) {
        const { status } = await waited(test.clock, test.get(test.alice, path));
        assert.ok(status === 429 || status >= 500, `${path}: ${status}`);
      }
    });
  }

  it('is no time in which a refusal is forgotten', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    test.guarded.userOf('alice').may.delete('team/app');
    await test.clock.advance(minute);
    assertRefused(await test.get(test.alice, 'manifests/v1'), 'refused');
    test.upstream.faults.unshift(failing(503));
    await test.clock.advance(minute);
    const { status } = await waited(test.clock, test.get(test.alice, 'manifests/v1'));
    assert.equal(status, 502);
  });

  it('lasts for nobody where staleGrant is 0', async () => {
    await using test = await open('basic', { staleGrant: '0s' });
    await pullAll(test, test.alice);
    test.upstream.faults.unshift(failing(503));
    assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
    await test.clock.advance(minute);
    assert.equal((await waited(test.clock, test.get(test.alice, 'manifests/v1'))).status, 502);
  });

  it('does not keep waiting who is believed', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    const { promise, resolve } = Promise.withResolvers<void>();
    test.upstream.faults.unshift(delayed(async () => await promise));
    await test.clock.advance(minute);
    const answer = test.get(test.alice, 'manifests/v1');
    await test.upstream.asked(test.upstream.requests.length + 1);
    await test.clock.advance(2000);
    assert.equal((await answer).status, 200);
    resolve();
  });
});

describe('one client of a registry that is asked in the name of each', () => {
  it('who asks for what is not there keeps what he has, and others theirs', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    await pullAll(test, test.carol);
    assert.equal((await test.get(test.alice, 'manifests/none')).status, 404);
    test.upstream.faults.unshift(failing(503));
    await test.clock.advance(minute);
    for (const who of [test.alice, test.carol])
      assert.equal((await waited(test.clock, test.get(who, 'manifests/v1'))).status, 200);
  });

  it('who asks for what is not there, or is blocked, keeps what he has while others guess where he is', async () => {
    for (const status of [404, 403]) {
      await using test = await open();
      assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
      for (let at = 0; at < 10; at += 1)
        assert.equal(
          (await test.get(basicHeader('mallory', secret(`guess-${at}`)), 'manifests/v1')).status,
          401,
        );
      assert.equal((await test.get(basicHeader('mallory', secret('more')), 'manifests/v1')).status, 429);
      test.upstream.faults.unshift(on('GET /v2/team/app/manifests/none', failing(status)));
      const missing = [1, 2].map(async () => await test.get(test.alice, 'manifests/none'));
      for (const answer of await Promise.all(missing))
        assert.equal(answer.status, status === 404 ? 404 : 401);
      assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200, String(status));
    }
  });

  it('who is told that something is not there tells nobody else', async () => {
    await using test = await open('basic', { cache: { freshness: 'always', onGone: 'notFound' } });
    await pullAll(test, test.alice);
    test.guarded.refusal = 404;
    assert.equal((await test.get(test.bob, 'manifests/v1')).status, 404);
    assert.equal((await test.get(test.bob, 'manifests/v2')).status, 404);
    assert.equal((await test.get(test.bob, `blobs/${test.image.config.digest}`)).status, 404);
    assert.deepEqual(
      (await test.get(test.bob, `referrers/${test.image.manifest.digest}`)).body.toString(),
      (await test.get(test.bob, `referrers/${sha256(bytes(3))}`)).body.toString(),
    );
    putImage(test.upstream.content, test.upstream.repository('team/app'), 'v2', []);
    assert.equal((await test.get(test.alice, 'manifests/v2')).status, 200);
    // He was let, and is not any more: what he hears then says nothing of the tag.
    await test.get(test.carol, 'manifests/v1');
    test.guarded.userOf('carol').may.clear();
    assert.equal((await test.get(test.carol, 'manifests/v1')).status, 404);
    test.upstream.faults.unshift(failing(503));
    assert.equal((await waited(test.clock, test.get(test.alice, 'manifests/v1'))).status, 200);
  });

  it('whose right is gone within his minute hears no more than that, and others nothing of it', async () => {
    await using test = await open('basic', { cache: { freshness: 'always' } });
    await pullAll(test, test.alice);
    const repository = test.upstream.repository('team/app');
    const image = putImage(test.upstream.content, repository, 'v2', [bytes(5000, 7)]);
    for (const refusal of [404, 403]) {
      await test.clock.advance(minute);
      test.guarded.refusal = refusal;
      test.guarded.userOf('carol').may.add('team/app');
      assert.equal((await test.get(test.carol, 'manifests/v1')).status, 200);
      test.guarded.userOf('carol').may.clear();
      // What is cached would be served stale instead; of what is not, that it is not there would be remembered.
      for (const path of [
        'manifests/v1',
        'manifests/v2',
        `blobs/${image.config.digest}`,
        `blobs/${image.layers[0]?.digest}`,
      ])
        assert.equal(
          (await test.get(test.carol, path)).status,
          refusal === 404 ? 404 : 401,
          `${path}: ${refusal}`,
        );
    }
    for (const path of [
      'manifests/v1',
      'manifests/v2',
      `blobs/${image.config.digest}`,
      `blobs/${image.layers[0]?.digest}`,
    ])
      assert.equal((await test.get(test.alice, path)).status, 200, path);
  });

  it('whose right is gone for what is not cached tells nobody that it is not there', async () => {
    const paths = ({ image }: Open): string[] => ['manifests/v2', `blobs/${image.layers[0]?.digest}`];
    for (const at of [0, 1]) {
      await using test = await open();
      putImage(test.upstream.content, test.upstream.repository('team/app'), 'v2', []);
      assert.equal((await test.get(test.carol, 'manifests/v1')).status, 200);
      test.guarded.refusal = 404;
      test.guarded.userOf('carol').may.clear();
      const path = paths(test)[at] ?? '';
      assert.equal((await test.get(test.carol, path)).status, 404);
      assert.equal((await test.get(test.alice, path)).status, 200);
    }
  });

  it('who is limited limits nobody else', async () => {
    await using test = await open();
    await pullAll(test, test.carol);
    test.upstream.faults.unshift(async (request, next) =>
      request.headers.authorization === test.alice
        ? await failing(429, { 'Retry-After': '600' })(request, next)
        : await next(),
    );
    assert.equal((await waited(test.clock, test.get(test.alice, 'manifests/v1'))).status, 429);
    await test.clock.advance(minute);
    assert.equal((await test.get(test.carol, 'manifests/v1')).status, 200);
    putImage(test.upstream.content, test.upstream.repository('team/app'), 'v2', [bytes(5000, 5)]);
    assert.equal((await test.get(test.carol, 'manifests/v2')).status, 200);
  });

  it('who is refused in the middle of a download takes nobody with him', async () => {
    await using test = await open();
    const gate = Promise.withResolvers<void>();
    const layer = `blobs/${test.image.layers[0]?.digest}`;
    test.upstream.faults.push(
      on(/GET .*\/blobs\//, async (request, next) => {
        if (request.headers.authorization !== test.alice) return await next();
        await gate.promise;
        return await failing(403)(request, next);
      }),
    );
    const hers = test.get(test.alice, layer);
    await test.upstream.asked(2);
    assert.equal((await test.get(test.carol, layer)).status, 200);
    gate.resolve();
    await hers;
  });

  it('is asked for so seldom that a thousand wrong passwords neither flood the registry nor keep out who is right', async () => {
    await using test = await open();
    assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
    test.guarded.take();
    const wrong = Array.from({ length: 1000 }, async (_, at) => {
      const { status } = await test.get(basicHeader('alice', secret(`guess-${at}`)), 'manifests/v1');
      return status;
    });
    const statuses = await Promise.all(wrong);
    assert.ok(statuses.every((status) => status === 401 || status === 429));
    const shown = test.guarded.take().filter((line) => line.startsWith('? '));
    assert.ok(shown.length >= 10 && shown.length < 20, `${shown.length} were shown`);
    assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
    await test.clock.advance(minute);
    assert.equal((await test.get(test.alice, 'manifests/v1')).status, 200);
  });
});

describe('what else tells of a registry that is asked in the name of each client', () => {
  it('is not the catalogue, with or without a password', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    for (const who of [undefined, test.alice, test.bob])
      assert.equal((await test.get(who, '/v2/_catalog')).body.toString(), '{"repositories":[]}');
  });

  it('is no mount into what lives here', async () => {
    await using test = await open('basic', {}, { hosted: [{ repositories: ['apps/**'], open: true }] });
    await pullAll(test, test.alice);
    const { digest } = test.image.config;
    for (const who of [undefined, test.bob, test.alice]) {
      const from = encodeURIComponent('up/team/app');
      const mount = `/v2/apps/web/blobs/uploads/?mount=${digest}&from=${from}`;
      assert.equal((await test.get(who, mount, { method: 'POST' })).status, 202);
      assert.equal((await test.get(who, `/v2/apps/web/blobs/${digest}`)).status, 404);
    }
  });

  it('is no other name of it: by alias, by ns and by header it is the same', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    const { host } = test.upstream;
    const ways: [string, Record<string, string>][] = [
      ['/v2/up/team/app/manifests/v1', {}],
      [`/v2/${host}/team/app/manifests/v1`, {}],
      [`/v2/team/app/manifests/v1?ns=${host}`, {}],
      ['/v2/team/app/manifests/v1', { 'x-registry': host }],
      [`/v2/up/team/app/manifests/v1?ns=${host}`, {}],
    ];
    for (const [path, headers] of ways) {
      assert.equal((await test.get(test.alice, path, { headers })).status, 200, path);
      for (const who of [undefined, test.bob, 'Basic Og==', 'Bearer abc'])
        assertRefused(await test.get(who, path, { headers }), path);
    }
  });

  it('is nothing that comes in the background, nor that the server asks by itself', async () => {
    await using test = await open();
    await pullAll(test, test.alice);
    test.guarded.take();
    await test.clock.advance(10 * minute);
    const refreshed = await ask(test.app.server, '/cmd/image/refresh?pattern=.*', { method: 'POST' });
    assert.equal(refreshed.status, 200);
    assert.match(refreshed.body.toString(), /is asked in the name of its clients alone/);
    assert.deepEqual(test.guarded.take(), []);
  });
});

describe('GET /v2/ where a registry is asked in the name of each client', () => {
  it('asks for a password, and lets in whom the registry knows', async () => {
    for (const guard of ['basic', 'bearer'] as const) {
      await using test = await open(guard);
      assertRefused(await test.get(undefined, '/v2/'), 'nothing');
      assert.equal((await test.get(test.alice, '/v2/')).status, 200);
      assert.equal((await test.get(test.alice, '/v2/')).status, 200);
      assertRefused(await test.get(basicHeader('alice', secret('wrong')), '/v2/'), 'wrong');
    }
  });

  it('asks for none where it is about another registry, by its name', async () => {
    await using test = await open();
    assert.equal((await test.get(undefined, '/v2/?ns=docker.io')).status, 200);
    assertRefused(await test.get(undefined, `/v2/?ns=${test.upstream.host}`), 'ns');
    assert.deepEqual(test.guarded.take(), []);
  });
});

describe('a port that takes no passwords', () => {
  it('has nothing of such a registry, and asks nobody who he is', async () => {
    await using test = await open(
      'basic',
      {},
      { listeners: [{ host: '127.0.0.1', port: 0, serve: 'registry', auth: [] }] },
    );
    await pullAll(test, test.alice);
    const [listener] = test.app.listeners;
    assert.ok(listener);
    assert.equal((await ask(listener, '/v2/')).status, 200);
    const denied = await ask(listener, '/v2/up/team/app/manifests/v1', {
      headers: { authorization: test.alice },
    });
    assert.deepEqual([denied.status, codeOf(denied)], [403, 'DENIED']);
  });
});
