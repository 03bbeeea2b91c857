import fc from 'fast-check';

/** One answer as it goes over the wire, in Latin-1, and how. */
export interface GeneratedAnswer {
  readonly method: 'GET' | 'HEAD';
  readonly text: string;
  /** The same for Node's parser, which refuses what RFC 9112 section 6.3 lets a recipient take: one length said twice. */
  readonly reference: string;
  /** Is it one that must be taken? Another may be refused, also where Node's parser is lenient. */
  readonly isRight: boolean;
  /** Is there more than the answer? */
  readonly hasSurplus: boolean;
  /** Where the network cuts it. */
  readonly cuts: readonly number[];
  /** How long the network rests at each. Milliseconds. */
  readonly pauseMs: number;
  /** Does the server close behind it? Otherwise a moment later, unless it is asked again. */
  readonly closes: boolean;
  /** Is the next request made when all of it was sent, or as soon as the answer is there? */
  readonly isSentFirst: boolean;
}

/** Some text, and whether it is right where it stands. */
interface Part {
  readonly text: string;
  readonly reference?: string;
  readonly isRight: boolean;
}

const right = (text: string): Part => ({ text, isRight: true });
const wrong = (text: string): Part => ({ text, isRight: false });
const oneOf = (...parts: readonly Part[]): fc.Arbitrary<Part> => fc.constantFrom(...parts);
/** Mostly the first. */
const mostly = <T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: other });

const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';

const interim = fc.constantFrom(
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n',
);

const rightStatus = [200, 200, 200, 206, 204, 304, 302, 401, 404, 429, 500].map((status) =>
  right(`HTTP/1.1 ${status} Reason`),
);
const statusLine = mostly(
  oneOf(...rightStatus, right('HTTP/1.0 200 OK'), right('HTTP/1.1 200'), right('HTTP/1.1 200 ')),
  oneOf(
    ...['HTTP/2 200 OK', 'HTTP/1.1  200 OK', 'ICY 200 OK', 'HTTP/1.1 2000 OK', 'HTTP/1.1 99 OK'].map(wrong),
    ...['HTTP/1.1 101 Switching Protocols', 'http/1.1 200 OK', 'HTTP/1.1 200 O\rK', '', 'evil'].map(wrong),
  ),
);

const field = mostly(
  oneOf(
    ...['Content-Type: a/b', 'ETag: "x"', 'Link: <a>', 'LINK: \t<b> \t', 'X-Empty:', 'X-Latin: \xe9'].map(
      right,
    ),
    ...['Connection: close', 'Connection: keep-alive', 'Connection: x, Close', 'Keep-Alive: timeout=5'].map(
      right,
    ),
  ),
  oneOf(
    ...['X-A : b', ' folded', '\tfolded', 'no colon', ': x', 'X-Nul: \0', 'X(A): b', 'X-A: b\rX-B: c'].map(
      wrong,
    ),
    ...['X-A: b\nX-B: c', 'Connection: upgrade\r\nUpgrade: h2c', 'Trailer: x'].map(wrong),
  ),
);

const content = fc.oneof(
  fc.string({
    maxLength: 60,
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  }),
  fc.constantFrom(evil, '', '{"schemaVersion":2}', '\r\n\r\n', '0\r\n\r\n', 'x'.repeat(3000)),
);

/** The fields that say where a body ends, and the body. */
interface Framed extends Part {
  readonly body: string;
}

const lengthOf = (body: string, fields: string, isRight = true): Framed => ({
  text: fields,
  reference: `Content-Length: ${body.length}\r\n`,
  isRight,
  body,
});

const withLength: fc.Arbitrary<Framed> = content.chain((body) =>
  fc
    .constantFrom(
      `Content-Length: ${body.length}\r\n`,
      `content-length:${body.length}\r\n`,
      `Content-Length: ${body.length}\r\nContent-Length: ${body.length}\r\n`,
      `Content-Length: ${body.length}, ${body.length}\r\n`,
    )
    .map((fields) => lengthOf(body, fields)),
);

const withWrongLength: fc.Arbitrary<Framed> = content.chain((body) =>
  fc
    .constantFrom(
      `Content-Length: ${body.length + 3}\r\n`,
      `Content-Length: ${Math.max(0, body.length - 3)}\r\n`,
      `Content-Length: ${body.length}\r\nContent-Length: ${body.length + 1}\r\n`,
      `Content-Length: ${body.length}, ${body.length + 1}\r\n`,
      `Content-Length: +${body.length}\r\n`,
      `Content-Length: 0x${body.length}\r\n`,
      'Content-Length: -1\r\n',
      'Content-Length:\r\n',
      'Content-Length: 99999999999999999999\r\n',
      `Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n`,
    )
    .map((text) => ({ text, isRight: false, body })),
);

const extension = fc.constantFrom('', '', ';a=b', ';a="b;c"');
const chunk = fc.tuple(content, extension);
const rightTrailers = ['', '', 'X-A: b\r\n', 'X-A: b\r\nX-C:\r\n'].map(right);
const trailers = mostly(oneOf(...rightTrailers), oneOf(wrong('broken\r\n'), wrong('X-A: b\n')));

const chunkedField = mostly(
  oneOf(right('Transfer-Encoding: chunked\r\n'), right('transfer-encoding: Chunked\r\n')),
  oneOf(
    ...['gzip, chunked', 'chunked, chunked', 'gzip', 'identity', 'xchunked', ''].map((coding) =>
      wrong(`Transfer-Encoding: ${coding}\r\n`),
    ),
  ),
);

const lastChunk = mostly(oneOf(right('0'), right('000')), oneOf(wrong('0x0'), wrong('-0'), wrong('')));

const withChunks: fc.Arbitrary<Framed> = fc
  .tuple(chunkedField, fc.array(chunk, { maxLength: 3 }), lastChunk, trailers)
  .map(([fields, chunks, last, behind]) => ({
    text: fields.text,
    isRight: fields.isRight && last.isRight && behind.isRight,
    body: `${chunks
      .filter(([bytes]) => bytes !== '')
      .map(([bytes, more]) => `${bytes.length.toString(16)}${more}\r\n${bytes}\r\n`)
      .join('')}${last.text}\r\n${behind.text}\r\n`,
  }));

const withNothing: fc.Arbitrary<Framed> = content.map((body) => ({ text: '', isRight: true, body }));

const framed = fc.oneof(
  { weight: 4, arbitrary: withLength },
  { weight: 3, arbitrary: withChunks },
  { weight: 1, arbitrary: withNothing },
  { weight: 2, arbitrary: withWrongLength },
);

const surplus = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 3, arbitrary: fc.constantFrom(evil, `\r\n${evil}`, 'evil', '\r\n', '\n', '\0', '0\r\n\r\n') },
);

/** One byte more, less or other, or bare line feeds, at some part of the text; and the same for what Node is given. */
type Damage = (text: string) => string;

const damage: fc.Arbitrary<Damage | undefined> = mostly(
  fc.constant<Damage | undefined>(undefined),
  fc
    .tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom('\r', '\n', ' ', '\t', '\0', ':', '0', ''),
    )
    .chain(([at, byte]) =>
      fc.constantFrom<Damage>(
        (text) => splice(text, at, 0, byte),
        (text) => splice(text, at, 1, byte),
        (text) => text.replaceAll('\r\n', '\n'),
        (text) => text.replaceAll('\r\n', '\r'),
      ),
    ),
);

function splice(text: string, part: number, removed: number, inserted: string): string {
  const at = Math.floor(part * text.length);
  return text.slice(0, at) + inserted + text.slice(at + removed);
}

interface Parts {
  readonly method: 'GET' | 'HEAD';
  readonly interims: string;
  readonly line: Part;
  readonly fields: readonly Part[];
  readonly framed: Framed;
  /** Does a body come also where none may? */
  readonly hasBody: boolean;
  readonly surplus: string;
  readonly damage: Damage | undefined;
}

/** The head, what of a body there is, and what comes behind. */
type Pieces = readonly [head: string, body: string, surplus: string];

function piecesOf({ interims, line, fields, framed, surplus, ...parts }: Parts, framing: string): Pieces {
  const head = [line, ...fields].map(({ text }) => `${text}\r\n`).join('');
  const body = mayHaveBody({ ...parts, line }) || parts.hasBody ? framed.body : '';
  return [`${interims}${head}${framing}\r\n`, body, surplus];
}

function mayHaveBody({ method, line }: Pick<Parts, 'method' | 'line'>): boolean {
  return method === 'GET' && !/^HTTP\/1\.1 (?:204|304)/.test(line.text);
}

function texts(parts: Parts): Pick<GeneratedAnswer, 'text' | 'reference'> {
  const { framed, damage } = parts;
  const reference = piecesOf(parts, framed.isRight ? (framed.reference ?? framed.text) : framed.text).join(
    '',
  );
  if (damage === undefined) return { text: piecesOf(parts, framed.text).join(''), reference };
  // The same damage at the same place.
  return { text: damage(reference), reference: damage(reference) };
}

function hasSurplus(parts: Parts): boolean {
  const { framed, surplus, hasBody } = parts;
  return surplus !== '' || (hasBody && framed.body !== '' && !mayHaveBody(parts));
}

/** Where one thing ends and the next begins is where a mistake would be made. */
function seams(parts: Parts): number[] {
  const [head, body] = piecesOf(parts, parts.framed.text);
  return [head.length, head.length + body.length];
}

function isRight({ line, fields, framed, damage }: Parts): boolean {
  const isChunkedByOldOne = line.text.startsWith('HTTP/1.0') && /chunked/i.test(framed.text);
  return (
    damage === undefined && !isChunkedByOldOne && [line, framed, ...fields].every((part) => part.isRight)
  );
}

/** What comes behind a body that shows its end, but later than the next request, nobody can tell from an answer. */
function mustBeSentFirst(parts: Parts): boolean {
  return parts.method === 'GET' && (parts.damage !== undefined || mayHaveBody(parts));
}

const parts: fc.Arbitrary<Parts> = fc.record({
  method: fc.constantFrom('GET', 'HEAD'),
  interims: fc.array(interim, { maxLength: 3 }).map((all) => all.join('')),
  line: statusLine,
  fields: fc.array(field, { maxLength: 4 }),
  framed,
  hasBody: fc.boolean(),
  surplus,
  damage,
});

/** Answers as they are, as they might be by mistake, and as they are by malice. */
export const answers: fc.Arbitrary<GeneratedAnswer> = fc
  .record({
    parts,
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
    isCutAtSeams: fc.boolean(),
    pauseMs: fc.constantFrom(0, 0, 2),
    closes: fc.boolean(),
    isSentFirst: fc.boolean(),
  })
  .map(({ parts, cuts, isCutAtSeams, pauseMs, closes, isSentFirst }) => {
    const { text, reference } = texts(parts);
    return {
      text,
      reference,
      method: parts.method,
      isRight: isRight(parts),
      hasSurplus: hasSurplus(parts),
      cuts: [...cuts.map((part) => Math.floor(part * text.length)), ...(isCutAtSeams ? seams(parts) : [])],
      pauseMs,
      // Without a length it is the end of the connection that ends it.
      closes: closes || parts.framed.text === '',
      isSentFirst: isSentFirst || mustBeSentFirst(parts),
    };
  });
