import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { application } from '#src/http/application.ts';
import { startServer } from '#src/http/server.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { secret } from '#test/fakes/secrets.ts';

/** Express writes it to standard error. */
class Refused extends Error {
  readonly status = 500;

  [inspect.custom](): string {
    return 'refused';
  }
}

describe('the frame of everything that answers', () => {
  it('does not say what it is made of, makes no ETag, reads no query and shows nobody a stack', async () => {
    const app = application();
    const queries: unknown[] = [];
    app.get('/', (request, response) => {
      queries.push(Object.keys(request.query));
      response.json({ some: 'thing' });
    });
    app.get('/broken', () => {
      throw new Refused(`at ${secret('file')}`);
    });
    await using server = await startServer(app, {
      ...{ host: '127.0.0.1', port: 0, maxConnections: 10, idleTimeoutMs: 10_000 },
    });
    const answer = await ask(server, '/?a[b]=1');
    assert.equal(answer.status, 200);
    assert.deepEqual(queries, [[]]);
    const broken = await ask(server, '/broken');
    assert.equal(broken.status, 500);
    assert.doesNotMatch(broken.body.toString(), /at |\.ts/);
    for (const { headers } of [answer, broken])
      assert.deepEqual([headers['x-powered-by'], headers.etag], [undefined, undefined]);
  });
});
