import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { AwsHandler } from '#src/credentials/providers/aws-handler.ts';
import type { Questions } from '#src/credentials/providers/provider.ts';
import type { TransportRequest } from '#src/net/transport.ts';

function handler() {
  const asked: TransportRequest[] = [];
  let disposed = 0;
  const questions: Questions = {
    async ask(request) {
      asked.push(request);
      return { status: 400, headers: { 'x-amzn-requestid': 'id' }, body: Buffer.from('{}') };
    },
    async [Symbol.asyncDispose]() {
      disposed += 1;
    },
  };
  return { asked, handler: new AwsHandler(questions), disposed: () => disposed };
}

const request = { method: 'GET', protocol: 'https:', hostname: 'sts.example', path: '/', headers: {} };

describe('a request of the AWS SDK', () => {
  it('is asked at its host and port, letter by letter, without what the wire writes itself', async () => {
    const test = handler();
    const signal = AbortSignal.timeout(10_000);
    const headers = { Authorization: 'AWS4-HMAC-SHA256 x', host: 'sts.example:8443', 'content-length': '0' };
    const query = { account_id: '1 2*', role: ['a', 'b&c'], none: null };
    await test.handler.handle(
      { ...request, port: 8443, path: '/a%2Fb', query, headers },
      { abortSignal: signal },
    );
    const [asked] = test.asked;
    assert.equal(asked?.url.href, 'https://sts.example:8443/');
    assert.equal(asked.target, '/a%2Fb?account_id=1%202*&role=a&role=b%26c&none=');
    assert.deepEqual(asked.headers, { authorization: 'AWS4-HMAC-SHA256 x' });
    assert.equal(asked.signal, signal);
  });

  it('has its body as it is, and its answer whatever the status', async () => {
    const test = handler();
    const body = new TextEncoder().encode('{"ü":1}');
    const { response } = await test.handler.handle({ ...request, method: 'POST', body });
    assert.equal(test.asked[0]?.body, '{"ü":1}');
    assert.equal(response.statusCode, 400);
    assert.equal(await text(response.body), '{}');
  });

  it('of another kind than the APIs for credentials take is not sent', async () => {
    const test = handler();
    await assert.rejects(test.handler.handle({ ...request, method: 'PUT' }), TypeError);
    await assert.rejects(test.handler.handle({ ...request, method: 'POST', body: new Blob([]) }), TypeError);
    assert.deepEqual(test.asked, []);
  });

  it('closes its connections with its client', () => {
    const test = handler();
    test.handler.destroy();
    assert.equal(test.disposed(), 1);
  });
});
