import { type Document, type LineCounter, visit, type YAMLError } from 'yaml';
import { IndentedLines } from './indented-lines.ts';

/** What is no YAML, and where. */
export interface YamlMistake {
  readonly offset: number;
  readonly message: string;
}

const noColon = 'a colon is missing, or the space behind it';

/** Own words: the parser's may quote the file, and that may be a password. */
const messages: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE: 'invalid escape in a text in double quotes',
  BAD_INDENT: 'a bracket that is not closed',
  BAD_SCALAR_START: 'a text that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a value that cannot stand here: a text with ": " in it needs quotes',
  BLOCK_IN_FLOW: 'a comma, or the bracket that closes, is missing',
  DUPLICATE_KEY: 'the same key twice in one mapping',
  MULTILINE_IMPLICIT_KEY: noColon,
  MULTIPLE_DOCS: 'more than one document in one file',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'a tab in the indentation; YAML takes spaces',
  TAG_RESOLVE_FAILED: 'unknown tag',
  UNEXPECTED_TOKEN:
    'something here was not expected: is a quote, a comma or a bracket before it missing, or too much?',
};

/** More come of the same mistakes. */
const maxFindings = 50;

/** The parser's findings in our terms: the first of each line, since one mistake makes many. */
export function yamlMistakes(document: Document, text: string, lines: LineCounter): YamlMistake[] {
  const source = { document, lines, indented: new IndentedLines(text) };
  const found = withoutShadows([...document.errors, ...document.warnings])
    .sort((a, b) => a.pos[0] - b.pos[0])
    .slice(0, maxFindings)
    .map((error) => mistakeOf(error, source));
  const byLine = Map.groupBy(found, ({ offset }) => lines.linePos(offset).line);
  return [...byLine.values()].flatMap(([first]) => first ?? []);
}

/** A value with a deeper line behind it that has a colon is told as a key of two lines, and as a mapping in a place for values: that is once too often. */
function withoutShadows(errors: readonly YAMLError[]): YAMLError[] {
  const long = errors.filter(({ code }) => code === 'MULTILINE_IMPLICIT_KEY').map(({ pos }) => pos[0]);
  const offsets = new Set(long);
  return errors.filter(({ code, pos }) => code !== 'BLOCK_AS_IMPLICIT_KEY' || !offsets.has(pos[0]));
}

interface Source {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly indented: IndentedLines;
}

function mistakeOf(error: YAMLError, source: Source): YamlMistake {
  const { lines, indented } = source;
  const line = misplacedLine(error, source);
  const [offset] = error.pos;
  if (line !== undefined)
    return {
      offset: (lines.lineStarts[line - 1] ?? 0) + indented.indent(line),
      message: indented.misfit(line),
    };
  if (error.code !== 'MISSING_CHAR') return { offset, message: messages[error.code] ?? 'not valid YAML' };
  const quote = openQuote(error, source.document);
  if (quote !== undefined) return { offset: quote, message: 'a quote that is not closed' };
  const isKey = isAtFront(lines.linePos(offset), indented);
  return { offset, message: isKey ? noColon : 'a comma, bracket or space is missing' };
}

/** The line that begins in a column where nothing of its kind may; undefined: it is another mistake. */
function misplacedLine({ code, pos, message }: YAMLError, { lines, indented }: Source): number | undefined {
  const begin = lines.linePos(pos[0]);
  const isFront = isAtFront(begin, indented);
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return isFront ? begin.line : undefined;
    // A value, and the deeper line behind it: the parser takes both for one key.
    case 'MULTILINE_IMPLICIT_KEY':
      return isFront ? undefined : indented.entryFrom(lines.linePos(pos[1]).line);
    case 'BAD_INDENT':
      return message.startsWith('Flow') ? undefined : indented.entryFrom(begin.line);
    case 'MISSING_CHAR':
    case 'UNEXPECTED_TOKEN':
      return isFront && indented.hasKey(begin.line) ? begin.line : undefined;
    default:
      return undefined;
  }
}

/** Is nothing before it in its line? */
function isAtFront({ line, col }: { line: number; col: number }, indented: IndentedLines): boolean {
  return col <= indented.indent(line) + 1;
}

/** Where the text in quotes begins that ends in this mistake. */
function openQuote({ pos }: YAMLError, document: Document): number | undefined {
  let begin: number | undefined;
  visit(document, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith('QUOTE') && range && range[1] <= pos[1] && range[2] >= pos[0]) begin = range[0];
    },
  });
  return begin;
}
