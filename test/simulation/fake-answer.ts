/** What upstream would answer if nothing were wrong. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export function errorAnswer(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): FakeAnswer {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message: code.toLowerCase() }] }));
  return {
    status,
    headers: { 'content-type': 'application/json', 'content-length': String(body.length), ...headers },
    body,
  };
}

/** Bytes, or the part of them that a Range asks for (RFC 9110 section 14). */
export function bytesAnswer(
  bytes: Uint8Array,
  range: string | undefined,
  headers: Readonly<Record<string, string>>,
): FakeAnswer {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === '' && last === '') return whole(bytes, headers);
  const begin = first === '' ? Math.max(0, bytes.length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1);
  if (begin > end) return errorAnswer(416, 'RANGE_INVALID', { 'content-range': `bytes */${bytes.length}` });
  const body = bytes.subarray(begin, end + 1);
  const contentRange = `bytes ${begin}-${end}/${bytes.length}`;
  return {
    status: 206,
    headers: { ...headers, 'content-length': String(body.length), 'content-range': contentRange },
    body,
  };
}

function whole(body: Uint8Array, headers: Readonly<Record<string, string>>): FakeAnswer {
  return { status: 200, headers: { ...headers, 'content-length': String(body.length) }, body };
}
