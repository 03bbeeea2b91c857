import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kinds, RawPeer } from '#test/fakes/raw-peer.ts';

const ok = 'HTTP/1.1 200 OK\r\n';
const hello = `${ok}Content-Length: 5\r\n\r\nhello`;

const taken: [what: string, text: string][] = [
  ['behind 100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${hello}`],
  [
    'behind 102, 103 and 103',
    `${[102, 103, 103].map((one) => `HTTP/1.1 ${one} X\r\nX-A: b\r\n\r\n`).join('')}${hello}`,
  ],
  ['with its length in two fields', `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['with its length twice in one field', `${ok}Content-Length: 5, 5\r\n\r\nhello`],
];

const refused: [what: string, text: string][] = [
  ['bare line feeds', 'HTTP/1.0 400 Bad Request\nCache-Control: no-cache\n\n<html></html>'],
  ['one bare line feed', `${ok}X-A: b\nContent-Length: 5\r\n\r\nhello`],
  ['a bare line feed at the end of the head', `${ok}Content-Length: 5\r\n\nhello`],
  ['bare carriage returns', 'HTTP/1.1 200 OK\rContent-Length: 5\r\rhello'],
  ['bare carriage returns between chunks', `${ok}Transfer-Encoding: chunked\r\n\r\n5\rhello\r0\r\r`],
  ['two lengths', `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ['two lengths in one field', `${ok}Content-Length: 5, 6\r\n\r\nhello`],
  ['a protocol that nobody asked for', `HTTP/1.1 101 Switching Protocols\r\n\r\n${hello}`],
  ['interim answers without an end', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(30)],
];

for (const kind of kinds) {
  describe(`an answer to a request for ${kind}`, () => {
    for (const [what, text] of taken) {
      it(`${what} is taken, and the connection kept`, async () => {
        await using peer = await RawPeer.start([text], { kind });
        for (let call = 0; call < 2; call += 1) assert.equal(await peer.text(), 'hello');
        assert.equal(peer.sockets.length, 1);
        const { headers } = await peer.send();
        assert.equal(headers['content-length'], '5');
      });
    }

    for (const [what, text] of refused) {
      // The connection stays open: whoever waited for a better end would wait for a minute.
      it(`with ${what} is refused at once`, { timeout: 10_000 }, async () => {
        const patient = { headersTimeoutMs: 60_000, stallTimeoutMs: 60_000 };
        await using peer = await RawPeer.start([text], { kind, ...patient });
        await assert.rejects(
          peer.text(),
          ({ cause = undefined, code }: { cause?: unknown; code: string }) => {
            assert.match(cause === undefined ? code : (cause as { code: string }).code, /^HPE_/);
            return true;
          },
        );
        assert.equal(peer.requests.length, 1);
      });
    }
  });
}
