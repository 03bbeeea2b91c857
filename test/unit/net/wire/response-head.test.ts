import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requestText } from '#src/net/wire/request-text.ts';
import { parseResponseHead } from '#src/net/wire/response-head.ts';

const ok = 'HTTP/1.1 200 OK';

describe('parseResponseHead', () => {
  it('reads status, version and fields, whose names it lowers and whose repetitions it joins', () => {
    const text = `HTTP/1.0 404 Not found\r\nLink: <a>\r\nX-Empty:\r\nLINK:\t <b> \t\r\nX-Latin: \xe9`;
    const { status, minorVersion, headers } = parseResponseHead(text);
    assert.deepEqual([status, minorVersion], [404, 0]);
    assert.deepEqual({ ...headers }, { link: '<a>, <b>', 'x-empty': '', 'x-latin': '\xe9' });
  });

  it('takes a status line without a reason, with and without its space', () => {
    for (const line of ['HTTP/1.1 204', 'HTTP/1.1 204 ']) assert.equal(parseResponseHead(line).status, 204);
  });

  it('takes one length said twice', () => {
    const said = ['Content-Length: 5\r\nContent-Length: 5', 'Content-Length: 5, 5'];
    for (const fields of said) {
      assert.equal(parseResponseHead(`${ok}\r\n${fields}`).headers['content-length'], '5');
    }
  });

  it('cannot be made to set what every object has', () => {
    const { headers } = parseResponseHead(`${ok}\r\n__proto__: x\r\nconstructor: y`);
    assert.deepEqual(Object.keys(headers), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(headers), null);
  });

  const refused: [what: string, text: string][] = [
    ['another protocol', 'SSH-2.0-OpenSSH'],
    ['another version', 'HTTP/2.0 200 OK'],
    ['two spaces in the status line', 'HTTP/1.1  200 OK'],
    ['a status of four digits', 'HTTP/1.1 2000 OK'],
    ['a status that is none', 'HTTP/1.1 099 OK'],
    ['an empty head', ''],
    ['a line without a colon', `${ok}\r\nbroken`],
    ['an empty name', `${ok}\r\n: x`],
    ['a space before the colon', `${ok}\r\nContent-Length : 5`],
    ['a folded line', `${ok}\r\nX-A: b\r\n c`],
    ['a field that begins with a blank', `${ok}\r\n\tX-A: b`],
    ['a lone CR', `${ok}\r\nX-A: b\rX-B: c`],
    ['a lone LF', `${ok}\r\nX-A: b\nContent-Length: 3`],
    ['a lone LF in the status line', 'HTTP/1.1 200 OK\nX-A: b'],
    ['NUL', `${ok}\r\nX-A: b\0`],
    ['a name with a letter that no token has', `${ok}\r\nX(A): b`],
    ['Content-Length and Transfer-Encoding', `${ok}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked`],
    ['two lengths', `${ok}\r\nContent-Length: 5\r\nContent-Length: 6`],
    ['two lengths in one field', `${ok}\r\nContent-Length: 5, 6`],
    ['a length with a sign', `${ok}\r\nContent-Length: +5`],
    ['a negative length', `${ok}\r\nContent-Length: -5`],
    ['a hexadecimal length', `${ok}\r\nContent-Length: 0x5`],
    ['an empty length', `${ok}\r\nContent-Length:`],
    ['a length that no number holds', `${ok}\r\nContent-Length: 99999999999999999`],
  ];
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => parseResponseHead(text), { code: /^HPE_/ }));
  }
});

describe('requestText', () => {
  const url = new URL('http://[::1]:5000/v2/a/blobs/b?c=d');

  it('is a GET with the URL’s host and path, and the target letter by letter where there is one', () => {
    const fixed = 'HTTP/1.1\r\nhost: [::1]:5000\r\nconnection: keep-alive\r\n';
    assert.equal(
      requestText({ method: 'GET', url }, { headers: { range: 'bytes=1-' } }),
      `GET /v2/a/blobs/b?c=d ${fixed}range: bytes=1-\r\n\r\n`,
    );
    assert.equal(
      requestText({ method: 'GET', url, target: "/x'%7e|" }, { headers: {} }),
      `GET /x'%7e| ${fixed}\r\n`,
    );
  });

  it('is refused where something in it would end a line or speak of another message', () => {
    for (const target of ['', 'x', '/a b', '/a\r\nX: y', '/\0', '/é', 'http://other/']) {
      assert.throws(() => requestText({ method: 'GET', url, target }, { headers: {} }), {
        code: 'UND_ERR_INVALID_ARG',
      });
    }
    const headers: [string, string][] = [
      ['x', 'a\r\nb: c'],
      ['x', 'a\n'],
      ['x', '\r'],
      ['x', '\0'],
      ['x', 'Ā'],
      ['x:', 'a'],
      ['x y', 'a'],
      ['', 'a'],
      ['x\r\ny', 'a'],
      ['host', 'other'],
      ['content-length', '5'],
      ['transfer-encoding', 'chunked'],
      ['connection', 'close'],
    ];
    for (const [name, value] of headers) {
      assert.throws(() => requestText({ method: 'GET', url }, { headers: { [name]: value } }), {
        code: 'UND_ERR_INVALID_ARG',
      });
    }
  });
});
