import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import { ownText } from '../oci/own-text.ts';

/** Something that went wrong, as the log says it: no secret is in it. */
export interface Failure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly level: 'warn' | 'error';
  readonly message: string;
  /** Why, in words. */
  readonly cause: string | undefined;
  /** What it was about, as far as that was said. */
  readonly about: Readonly<Record<string, string>>;
}

/** So many are remembered, the latest. */
const maxKept = 200;
/** Of each text so many characters. */
const maxText = 500;
const maxCauses = 5;
/** Fields that say what a line is about. */
const subjects = [
  'upstream',
  'mirror',
  'repository',
  'tag',
  'digest',
  'url',
  'file',
  'image',
  'directory',
  'client',
];

/** The last lines that told of something that went wrong. Lines of `debug` and `info` cost nothing. */
export class RecentFailures {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #kept: Failure[] = [];

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** The latest first. */
  get latest(): readonly Failure[] {
    return this.#kept.toReversed();
  }

  /** The same log, whose failures are remembered whatever its level is. */
  watching(log: Log): Log {
    const at =
      (level: Failure['level']): Log['warn'] =>
      (fields, message) => {
        this.#note(level, fields, message);
        log[level](fields, message);
      };
    return {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      warn: at('warn'),
      error: at('error'),
    };
  }

  #note(level: Failure['level'], fields: Readonly<Record<string, unknown>>, message: string): void {
    // What a client did wrong is no failure of ours.
    if (message === 'request' && level === 'warn') return;
    const about = subjects.flatMap((name) => {
      const value = fields[name];
      return typeof value === 'string' ? [[name, kept(value)]] : [];
    });
    this.#kept.push({
      ...{ at: this.#clock.now(), level, message: kept(message) },
      ...{ cause: causeOf(fields), about: Object.fromEntries(about) as Record<string, string> },
    });
    if (this.#kept.length > maxKept) this.#kept.shift();
  }
}

/** As much of a text as tells what it was, and no more of what it was a part of. */
function kept(text: string): string {
  return text.length <= maxText ? text : ownText(text.slice(0, maxText));
}

function causeOf({ err, failure, problem }: Readonly<Record<string, unknown>>): string | undefined {
  const texts = [err instanceof Error ? chainOf(err) : undefined, failure, problem];
  const text = texts.find((one) => typeof one === 'string');
  return text === undefined ? undefined : kept(text);
}

/** What it says, and what its causes do. */
function chainOf(error: Error): string {
  const messages: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && messages.length < maxCauses; cause = cause.cause)
    messages.push(cause instanceof RegistryError ? cause.forOperator : cause.message);
  return messages.join(': ');
}
