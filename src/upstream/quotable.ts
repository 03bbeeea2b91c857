import { withoutQueries } from './without-queries.ts';

/** Encodings lie in each other, but not deeper. */
const maxDepth = 5;
/** A part of a secret is as secret: of a longer one every run of characters that holds one of its blocks of so many. */
const blockLength = 16;
/** Less of a secret in base64 is found in any text. Characters. */
const minEncoded = 6;
/** A shorter secret is part of words that have nothing to do with it, as `test` is of `latest`: it counts where it stands for itself. */
const minAnywhere = 8;

/** A credential by its scheme, whose it may be. */
const credential = /\b(basic|bearer)\s+[^\s"',;]+/gi;

/**
 * What may be told of upstream's own words: without the credentials that it quotes (some quote the Authorization header that they
 * refuse, some a URL that is signed), and nothing, which is undefined, where one of these secrets or a part of it can be read out of them:
 * as it is, in percent-encoding, escapes of JSON or HTML, base64 at any alignment, or several of these in each other.
 */
export function quotable(text: string, secrets: readonly string[]): string | undefined {
  const decoded = readings(text);
  const plain = decoded.at(-1) ?? text;
  if ((plain.match(credential)?.length ?? 0) > (text.match(credential)?.length ?? 0)) return undefined;
  if (betrays(decoded, secrets)) return undefined;
  const told = withoutQueries(text.replaceAll(credential, '$1 …'));
  const read = readings(told).at(-1) ?? told;
  return withoutQueries(read) === read ? told : undefined;
}

/** Can one of these be read out of a text, of which these are all {@link readings}? */
export function betrays(decoded: readonly string[], secrets: readonly string[]): boolean {
  const wanted = secrets.filter((secret) => secret !== '').flatMap(tracesOf);
  const folded = decoded.map((reading) => ({ lines: fold(reading), joined: fold(withoutLineEnds(reading)) }));
  return wanted.some((isIn) => folded.some(isIn));
}

/** Does it stand in a text, folded? */
type Trace = (text: { readonly lines: string; readonly joined: string }) => boolean;

/** What betrays a secret: the secret, what is left of it when a reader has decoded all, and both in base64. */
function tracesOf(secret: string): Trace[] {
  const forms = [...new Set([secret, readings(secret).at(-1) ?? secret])];
  const encoded = forms
    .flatMap((form) => [0, 1, 2].map((lead) => encodedBehind(lead, form)))
    .filter((form) => form.length >= minEncoded);
  const long = forms.filter((form) => form.length >= minAnywhere);
  const parts = [...long, ...encoded].map((form) => fold(withoutLineEnds(form))).flatMap(blocksOf);
  return [
    ...forms.filter((form) => form.length < minAnywhere).map((form) => byItself(fold(form))),
    ...parts.map(
      (part): Trace =>
        ({ joined }) =>
          joined.includes(part),
    ),
  ];
}

/** Not in the middle of a word. */
function byItself(text: string): Trace {
  const before = /^[\p{L}\p{N}]/u.test(text) ? '(?<![\\p{L}\\p{N}])' : '';
  const behind = /[\p{L}\p{N}]$/u.test(text) ? '(?![\\p{L}\\p{N}])' : '';
  const pattern = new RegExp(`${before}${text.replaceAll(/[^\p{L}\p{N}]/gu, escaped)}${behind}`, 'u');
  return ({ lines }) => pattern.test(lines);
}

/** One character that means itself in a pattern. */
function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** The characters of its base64 that are its own, when so many other bytes stand before it. */
function encodedBehind(lead: number, text: string): string {
  const bytes = Buffer.from(text);
  const encoded = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
  return encoded.slice(Math.ceil((lead * 4) / 3), Math.floor(((lead + bytes.length) * 4) / 3));
}

function blocksOf(text: string): string[] {
  if (text.length < 2 * blockLength) return [text];
  return Array.from({ length: Math.floor(text.length / blockLength) }, (_, at) =>
    text.slice(at * blockLength, (at + 1) * blockLength),
  );
}

/** The alphabets of base64 are one here, and a blank in a form is one. */
function fold(text: string): string {
  return text.replaceAll(/[-+ ]/g, '+').replaceAll(/[_/]/g, '/');
}

/** Lines of base64 are broken anywhere. */
function withoutLineEnds(text: string): string {
  return text.replaceAll(/[\r\n]/g, '');
}

/** A text, and what it is when it is decoded once, and again, until nothing changes. */
export function readings(text: string): string[] {
  const found = [text];
  for (let last = text, depth = 0; depth < maxDepth; depth += 1) {
    const next = entitiesDecoded(escapesDecoded(percentDecoded(last)));
    if (next === last) break;
    found.push(next);
    last = next;
  }
  return found;
}

/** RFC 3986 section 2.1, and what JavaScript's `escape` makes. */
function percentDecoded(text: string): string {
  return text
    .replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
    .replaceAll(/%u([0-9a-f]{4})/gi, (_, hex: string) => characterOf(Number.parseInt(hex, 16)));
}

/** RFC 8259 section 7, and what JavaScript has besides; in one go, for an escaped backslash begins no escape. */
function escapesDecoded(text: string): string {
  return text.replaceAll(
    /\\(?:u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\}|x([0-9a-f]{2})|(["'/\\]))/gi,
    (_, ...[four, any, two, itself]: (string | undefined)[]) =>
      itself ?? characterOf(Number.parseInt(four ?? any ?? two ?? '', 16)),
  );
}

/** The named characters of ASCII (HTML, section 13.5) in their order, from the given one. */
const named = new Map<string, string>(
  (
    [
      ['!', 'excl quot num dollar percnt amp apos lpar rpar ast plus comma hyphen period sol'],
      [':', 'colon semi lt equals gt quest commat'],
      ['[', 'lsqb bsol rsqb hat lowbar grave'],
      ['{', 'lcub verbar rcub'],
    ] as const
  ).flatMap(([first, names]) =>
    names.split(' ').map((name, at) => [name, characterOf(first.charCodeAt(0) + at)] as const),
  ),
);

function entitiesDecoded(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));?/gi,
    (whole, ...found: (string | undefined)[]) => {
      const [decimal, hex, name] = found;
      if (typeof name === 'string' && decimal === undefined && hex === undefined)
        return named.get(name.toLowerCase()) ?? whole;
      return characterOf(decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal));
    },
  );
}

function characterOf(codePoint: number): string {
  return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : '';
}
