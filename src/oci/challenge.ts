/** One challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1). Scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly params: Readonly<Record<string, string>>;
}

/** Characters read at most; a longer header is cut there. */
const maxLength = 16 * 1024;
const maxChallenges = 16;
/** Of a token, as registries write them: some leave out the quotes around a URL or a service. */
const wordEnd = /[\s,="]/;

/**
 * The challenges of a header; several lines of it may be joined with `, `. Never throws: what cannot be read
 * ends its challenge, and what was read before stays. Linear in the header's length.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const reader = new Reader((header ?? '').slice(0, maxLength));
  const challenges: { scheme: string; params: Record<string, string> }[] = [];
  while (!reader.atEnd) {
    reader.skip(/[\s,]/);
    const word = reader.word();
    if (word === '') {
      reader.skipOne();
    } else if (reader.skipsEquals() && challenges.length > 0) {
      setOnce(challenges.at(-1)?.params, word.toLowerCase(), reader.value());
    } else if (challenges.length < maxChallenges) {
      challenges.push({ scheme: word.toLowerCase(), params: Object.create(null) });
    } else {
      return challenges;
    }
  }
  return challenges;
}

/** The inverse of {@link parseChallenges}. Values hold any visible character and blanks. */
export function formatChallenge({ scheme, params }: Challenge): string {
  const list = Object.entries(params).map(
    ([name, value]) => `${name}="${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`,
  );
  return list.length === 0 ? scheme : `${scheme} ${list.join(',')}`;
}

function setOnce(params: Record<string, string> | undefined, name: string, value: string): void {
  if (params !== undefined && !(name in params)) params[name] = value;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  skipOne(): void {
    this.#at++;
  }

  skip(set: RegExp): void {
    while (!this.atEnd && set.test(this.#text.charAt(this.#at))) this.#at++;
  }

  /** A scheme or a parameter's name; quoted ones are tolerated. */
  word(): string {
    return this.#text.charAt(this.#at) === '"' ? this.#quoted() : this.#until(wordEnd);
  }

  /** True, and behind it, if an equals sign comes next. */
  skipsEquals(): boolean {
    const start = this.#at;
    this.skip(/\s/);
    if (this.#text.charAt(this.#at) === '=') {
      this.#at++;
      return true;
    }
    this.#at = start;
    return false;
  }

  value(): string {
    this.skip(/[ \t]/);
    return this.#text.charAt(this.#at) === '"' ? this.#quoted() : this.#until(/[\s,]/);
  }

  #until(end: RegExp): string {
    const start = this.#at;
    while (!this.atEnd && !end.test(this.#text.charAt(this.#at))) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** An unterminated one reaches to the end. */
  #quoted(): string {
    let text = '';
    for (this.#at++; !this.atEnd; this.#at++) {
      const character = this.#text.charAt(this.#at);
      if (character === '"') {
        this.#at++;
        return text;
      }
      text += character === '\\' ? this.#text.charAt(++this.#at) : character;
    }
    return text;
  }
}
