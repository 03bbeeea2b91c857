/**
 * A sentence as everybody may read it, and as whoever runs this server does: his names what stands in the configuration, an account, the path
 * of a file, a proxy.
 */
export class Wording {
  readonly forClients: string;
  readonly forOperator: string;

  constructor(forClients: string, forOperator: string) {
    this.forClients = forClients;
    this.forOperator = forOperator;
  }

  /** Is nothing of the configuration in it? */
  get isForAll(): boolean {
    return this.forClients === this.forOperator;
  }
}

/** Words of the configuration. Clients read `instead`; default: nothing. */
export function own(words: string, instead = ''): Wording {
  return new Wording(instead, words);
}

/** A template of both: what is no Wording is for everybody. */
export function worded(
  texts: TemplateStringsArray,
  ...parts: readonly (string | number | Wording)[]
): Wording {
  const joined = (part: (wording: Wording) => string): string =>
    texts.reduce((sentence, text, at) => {
      const before = parts[at - 1] ?? '';
      return `${sentence}${before instanceof Wording ? part(before) : before}${text}`;
    });
  return new Wording(
    joined(({ forClients }) => forClients),
    joined(({ forOperator }) => forOperator),
  );
}
