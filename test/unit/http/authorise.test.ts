import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Access, Authorise } from '#src/http/authorise.ts';
import { Endpoints, served } from '#src/http/endpoints.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { Stopping } from '#src/oci/stopping.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, codeOf, type ServerOptions, serveRegistry } from '#test/fakes/registry-server.ts';
import { ScriptedRegistry } from '#test/fakes/scripted-registry.ts';
import { secret } from '#test/fakes/secrets.ts';

const alpine = repository('docker.io/library/alpine');
const base = '/v2/docker.io/alpine';
const challenge = 'Bearer realm="https://cache.example.com/v2/token",service="cache"';

/** A server that remembers whom it was asked about, and what was seen behind that. */
async function start(authorise: Authorise, options: ServerOptions = {}) {
  const content = new MemoryRegistry();
  const { manifest, layers } = putImage(content, alpine, 'v1', [bytes(100)]);
  const registry = new ScriptedRegistry(content);
  const asked: Access[] = [];
  const answered: string[] = [];
  const endpoints = new Endpoints(
    served.map((endpoint) => ({
      ...endpoint,
      answer: (...call) => {
        answered.push(endpoint.place);
        return endpoint.answer(...call);
      },
    })),
  );
  const log = new LogLines();
  const server = await serveRegistry(registry, {
    endpoints,
    log,
    authorise: (access) => {
      asked.push(access);
      return authorise(access);
    },
    ...options,
  });
  return {
    ...{ server, registry, asked, answered, log },
    manifest: manifest.digest,
    blob: layers[0]?.digest ?? '',
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

const unauthorised: Authorise = () => {
  throw new RegistryError('UNAUTHORIZED', undefined, { headers: { 'WWW-Authenticate': challenge } });
};

describe('whoever asks', () => {
  it('is authorised for each endpoint, by what it does and with what, before anything else is asked', async () => {
    await using made = await start(unauthorised);
    const { server, registry, asked, answered, manifest, blob } = made;
    const requests: [path: string, place: string, action: string, name?: string][] = [
      ['/v2/', 'version', 'version'],
      ['/v2', 'version', 'version'],
      ['/v2/_catalog', 'catalog', 'catalog'],
      [`${base}/manifests/v1`, 'manifest', 'pull', alpine],
      [`${base}/manifests/${manifest}`, 'manifest', 'pull', alpine],
      [`/v2/library/alpine/manifests/v1?ns=docker.io`, 'manifest', 'pull', alpine],
      [`${base}/blobs/${blob}`, 'blob', 'pull', alpine],
      [`${base}/tags/list`, 'tags', 'pull', alpine],
      [`${base}/referrers/${manifest}`, 'referrers', 'pull', alpine],
      ['/v2/auth', '/v2/auth', 'login'],
    ];
    for (const [path, place, action, name] of requests) {
      for (const method of served.filter((one) => one.place === place).flatMap(({ methods }) => methods)) {
        const answer = await ask(server, path, { method });
        assert.equal(answer.status, 401, path);
        assert.equal(answer.headers['www-authenticate'], challenge);
        if (method === 'GET') assert.equal(codeOf(answer), 'UNAUTHORIZED');
        assert.equal(asked.length, 1, path);
        const [access] = asked.splice(0);
        assert.deepEqual([access?.action, access?.repository], [action, name], path);
        const { kind, method: by } = access?.request ?? {};
        assert.deepEqual([kind, by], place.startsWith('/') ? [undefined, undefined] : [place, method]);
      }
    }
    assert.deepEqual(registry.calls, []);
    assert.deepEqual(answered, []);
    assert.deepEqual(new Set(requests.map(([, place]) => place)), new Set(served.map(({ place }) => place)));
  });

  it('is answered once he is admitted', async () => {
    await using made = await start(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      made.answered.push('admitted');
    });
    assert.equal((await ask(made.server, `${base}/manifests/v1`)).status, 200);
    assert.deepEqual(made.answered, ['admitted', 'manifest']);
  });

  for (const defaultNs of [undefined, parseRegistryHost('docker.io')]) {
    it(`is told what he may not do, and nothing of aliases, with ${defaultNs ?? 'no'} default registry`, async () => {
      const target = {
        aliases: new Map([['internal', parseRegistryHost('registry.internal:5000')]]),
        nearestAlias: () => 'internal',
        defaultNs,
      };
      const denied = new RegistryError('DENIED', 'you may not pull from here');
      await using made = await start(async () => await Promise.reject(denied), { target });
      for (const name of ['internal/app', 'interal/app', 'docker.io', 'docker.io/UPPER']) {
        const answer = await ask(made.server, `/v2/${name}/manifests/v1`);
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'DENIED'], name);
        assert.doesNotMatch(`${JSON.stringify(answer.headers)}${answer.body}`, /internal/);
      }
      assert.deepEqual(
        made.asked.map((access) => access.repository),
        ['registry.internal:5000/app', defaultNs && 'docker.io/interal/app', undefined, undefined],
      );
      assert.deepEqual(made.answered, []);
    });
  }

  it('hears that a name means no registry when he may come in', async () => {
    await using made = await start(() => {});
    const answer = await ask(made.server, '/v2/alpine/manifests/v1');
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'NAME_INVALID']);
    assert.deepEqual([made.asked.length, made.answered], [1, []]);
  });

  it('is known by what he shows, which is not in the log', async () => {
    await using made = await start(unauthorised);
    const authorization = `Basic ${secret('his password')}`;
    await ask(made.server, `${base}/manifests/v1`, { headers: { authorization, 'user-agent': 'puller/1' } });
    const caller = {
      ...{ address: '127.0.0.1', authorization, agent: 'puller/1' },
      ...{ forwardedFor: undefined, certificate: undefined },
    };
    assert.deepEqual(made.asked[0]?.caller, caller);
    while (made.log.lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.match(made.log.lines[0] ?? '', /^warn request .*UNAUTHORIZED/s);
  });

  it('is not asked for what nobody may: a write, a body, a path that is none, a server that stops', async () => {
    let isOpen = true;
    const admit = (): void => {
      if (!isOpen) throw new Stopping();
    };
    await using made = await start(unauthorised, { admit });
    const status = async (path: string, method = 'GET', body = '') => {
      const headers = { 'content-length': String(body.length) };
      return (await ask(made.server, path, { method, headers, body })).status;
    };
    assert.equal(await status(`${base}/manifests/v1`, 'PUT', '{}'), 405);
    assert.equal(await status(`${base}/blobs/uploads/`, 'POST'), 405);
    assert.equal(await status(`${base}/blobs/uploads/1`), 404);
    assert.equal(await status(`${base}/manifests/v1`, 'GET', 'x'), 400);
    assert.equal(await status('/v2/nothing'), 404);
    isOpen = false;
    assert.equal(await status('/v2/'), 503);
    assert.deepEqual(made.asked, []);
  });

  it('waits no longer for that than for anything', { timeout: 10_000 }, async () => {
    const clock = new FakeClock();
    const reached = Promise.withResolvers<void>();
    const never: Authorise = async () => {
      reached.resolve();
      await new Promise(() => {});
    };
    await using made = await start(never, { headLimit: { clock, milliseconds: 20_000 } });
    const answer = ask(made.server, `${base}/manifests/v1`);
    await reached.promise;
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(20_000);
    assert.equal((await answer).status, 503);
    assert.deepEqual(made.answered, []);
  });
});
