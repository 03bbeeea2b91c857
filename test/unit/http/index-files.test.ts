import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createIndexFiles } from '#src/http/index-files.ts';
import { type RunningServer, startServer } from '#src/http/server.ts';
import { Stopping } from '#src/oci/stopping.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';

const index = '- name: k8saudit\n  type: plugin\n';

describe('the files of a directory', () => {
  const log = new LogLines();
  let isOpen = true;
  let path: string;
  let server: RunningServer;

  before(async () => {
    path = await mkdtemp(join(tmpdir(), 'ociregistry-'));
    const directory = join(path, 'indexes');
    await mkdir(join(directory, 'more'), { recursive: true });
    await mkdir(join(directory, '..data_1'));
    await writeFile(join(path, 'outside.yaml'), 'secret: 1\n');
    await mkdir(join(path, 'indexes-beside'));
    await writeFile(join(path, 'indexes-beside/x.yaml'), 'secret: 1\n');
    for (const [name, text] of [
      ['index.yaml', index],
      ['index.YML', index],
      ['more/index.json', '{}'],
      ['odd name %41.txt', 'odd'],
      ['.hidden', 'hidden'],
      ['..data_1/mounted.yaml', index],
    ] as const)
      await writeFile(join(directory, name), text);
    await writeFile(join(directory, 'large.bin'), '');
    await truncate(join(directory, 'large.bin'), 3_000_000);
    await symlink('../outside.yaml', join(directory, 'out.yaml'));
    await symlink(path, join(directory, 'up'));
    await symlink('../indexes-beside/x.yaml', join(directory, 'beside.yaml'));
    await symlink('index.yaml', join(directory, 'in.yaml'));
    // As Kubernetes mounts what is in a ConfigMap.
    await symlink('..data_1', join(directory, '..data'));
    await symlink('..data/mounted.yaml', join(directory, 'mounted.yaml'));
    await symlink('loop', join(directory, 'loop'));
    await utimes(join(directory, 'index.yaml'), 1_700_000_000, 1_700_000_000);
    const admit = (): void => {
      if (!isOpen) throw new Stopping();
    };
    const files = createIndexFiles({ directory, admit, log, clock: new FakeClock() });
    server = await startServer(files, {
      host: '127.0.0.1',
      port: 0,
      maxConnections: 10,
      idleTimeoutMs: 10_000,
    });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(path, { recursive: true });
  });

  it('are served with their types and their lengths, below it too, and logged', async () => {
    for (const [name, type, text] of [
      ['/index.yaml', 'application/yaml', index],
      ['/index.yaml?x=y', 'application/yaml', index],
      ['/index.YML', 'application/yaml', index],
      ['/more/index.json', 'application/json; charset=utf-8', '{}'],
      ['/odd%20name%20%2541.txt', 'text/plain; charset=utf-8', 'odd'],
      ['/in.yaml', 'application/yaml', index],
      ['/mounted.yaml', 'application/yaml', index],
    ] as const) {
      const { status, headers, body } = await ask(server, name);
      assert.deepEqual([status, headers['content-type'], body.toString()], [200, type, text], name);
      assert.equal(headers['content-length'], String(text.length));
      assert.equal(headers['x-content-type-options'], 'nosniff');
    }
    const head = await ask(server, '/index.yaml', { method: 'HEAD' });
    assert.deepEqual(
      [head.status, head.headers['content-length'], head.body.length],
      [200, String(index.length), 0],
    );
    assert.match(log.at('info')[0] ?? '', /request.*\/index\.yaml.*status: 200.*bytes: 32/s);
  });

  it('are not sent to who has them', async () => {
    const { headers } = await ask(server, '/index.yaml');
    const { etag = '', 'last-modified': modified = '' } = headers;
    assert.equal(modified, 'Tue, 14 Nov 2023 22:13:20 GMT');
    for (const condition of [{ 'If-None-Match': etag }, { 'If-Modified-Since': modified }]) {
      const again = await ask(server, '/index.yaml', { headers: condition });
      assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag]);
    }
    const other = await ask(server, '/index.yaml', { headers: { 'If-None-Match': '"x"' } });
    assert.equal(other.status, 200);
    const failed = await ask(server, '/index.yaml', { headers: { 'If-Match': '"x"' } });
    assert.equal(failed.status, 412);
  });

  it('are sent in part, and whole where they are large', async () => {
    const part = await ask(server, '/index.yaml', { headers: { Range: 'bytes=2-5' } });
    assert.deepEqual(
      [part.status, part.body.toString(), part.headers['content-range']],
      [206, 'name', 'bytes 2-5/32'],
    );
    const none = await ask(server, '/index.yaml', { headers: { Range: 'bytes=99-' } });
    assert.deepEqual([none.status, none.headers['content-range']], [416, 'bytes */32']);
    assert.equal((await ask(server, '/large.bin')).body.length, 3_000_000);
  });

  it('are all that is served: no list, nothing hidden, nothing outside, whatever way leads there', async () => {
    for (const name of [
      ...['/', '/more', '/more/', '/nothing.yaml', '/index.yaml/x', `/${'x'.repeat(300)}`],
      ...['/.hidden', '/..data/mounted.yaml', '/..data_1/mounted.yaml', '/%2ehidden', '/more/../.hidden'],
      ...['/out.yaml', '/up/outside.yaml', '/beside.yaml', '/loop'],
      ...['/../outside.yaml', '/more/../../outside.yaml', '/%2e%2e/outside.yaml', '/..%2foutside.yaml'],
      ...[
        '/more/..%5c..%5coutside.yaml',
        '/index.yaml%00',
        '/%',
        '/%ff',
        '/more%2findex.json',
        '//etc/passwd',
      ],
      ...['/../indexes-beside/x.yaml', '/%252e%252e/outside.yaml'],
    ]) {
      const { status, body } = await ask(server, name);
      assert.equal(status, 404, name);
      assert.doesNotMatch(body.toString(), /secret|hidden|root:/, name);
    }
  });

  it('are only read, and not while the server stops', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers } = await ask(server, '/index.yaml', {
        method,
        body: method === 'POST' ? 'x' : '',
      });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], method);
    }
    isOpen = false;
    assert.equal((await ask(server, '/index.yaml')).status, 503);
    isOpen = true;
  });
});
