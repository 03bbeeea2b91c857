import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silent } from '#src/base/log.ts';
import { createMetricsPage } from '#src/http/metrics-page.ts';
import { startServer } from '#src/http/server.ts';
import { ask } from '#test/fakes/registry-server.ts';

async function serve(text: () => Promise<string>, log = silent) {
  const page = createMetricsPage({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text }, log);
  return await startServer(page, { host: '127.0.0.1', port: 0, maxConnections: 10, idleTimeoutMs: 10_000 });
}

describe('the page of metrics', () => {
  it('answers GET and HEAD of /metrics and nothing else', async () => {
    await using server = await serve(async () => 'up 1\n');
    const got = await ask(server, '/metrics');
    assert.equal(got.status, 200);
    assert.equal(got.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(got.body.toString(), 'up 1\n');
    const head = await ask(server, '/metrics', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
    const post = await ask(server, '/metrics', { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
    for (const path of ['/', '/v2/', '/health', '/metrics/x']) {
      assert.equal((await ask(server, path)).status, 404, path);
    }
  });

  it('says that the metrics cannot be read, and why to the log alone', async () => {
    const logged: unknown[] = [];
    const log = { ...silent, error: (fields: unknown) => void logged.push(fields) };
    const problem = new Error('the disk is gone');
    await using server = await serve(async () => await Promise.reject(problem), log);
    const got = await ask(server, '/metrics');
    assert.equal(got.status, 500);
    assert.doesNotMatch(got.body.toString(), /disk/);
    assert.deepEqual(logged, [{ err: problem }]);
  });
});
