import { setTimeout } from 'node:timers/promises';
import type { Fault } from '#test/fakes/upstream-answers.ts';

/** Bytes `first` to before `end` of a blob. */
interface Stretch {
  readonly first: number;
  readonly end: number;
}

/** What goes to the socket at a time. Bytes. */
const pieceSize = 32 * 1024;

/** One request for a blob that was answered with bytes of it. */
interface Carried extends Stretch {
  readonly digest: string;
  /** What it asked for: `bytes=0-9`; undefined: the whole. */
  readonly range: string | undefined;
  readonly isOver: boolean;
}

/** The same while it goes on. */
type Carrying = { -readonly [Key in keyof Carried]: Carried[Key] };

/**
 * The link of an upstream, as a fault of `FakeUpstream`: it gives each connection so many bytes a second, or all of them together, and knows
 * which bytes of each blob it has carried. A byte counts when it was handed to the socket.
 */
export class CountingLink {
  /** Bytes a second, of each request or of all together. */
  rate: number;
  readonly #isShared: boolean;
  readonly #carried: Carrying[] = [];
  readonly #most = new Map<string, number>();
  #freeAt = 0;

  constructor(rate: number, { isShared = false }: { readonly isShared?: boolean | undefined } = {}) {
    this.rate = rate;
    this.#isShared = isShared;
  }

  /** To be put among the faults of an upstream, before those that spoil the answer. */
  readonly fault: Fault = async (request, next) => {
    const { range } = request.headers;
    const answer = await next();
    const { body } = answer;
    const digest = /\/blobs\/(.+)$/.exec(request.path)?.[1];
    if (request.method !== 'GET' || digest === undefined || answer.status >= 300 || body === undefined)
      return answer;
    const first = Number(/^bytes (\d+)-/.exec(answer.headers['Content-Range'] ?? '')?.[1] ?? 0);
    return { ...answer, body: this.#carry(body, { digest, range, first, end: first, isOver: false }) };
  };

  /** The requests of a blob that were answered with bytes of it, in turn. */
  requests(digest: string): readonly Carried[] {
    return this.#carried.filter((carried) => carried.digest === digest);
  }

  /** So many of its bodies were on their way at a time. */
  mostOf(digest: string): number {
    return this.#most.get(digest) ?? 0;
  }

  /** How many bytes of a blob it has carried, those that went twice twice. */
  carried(digest: string): number {
    return this.requests(digest).reduce((sum, { first, end }) => sum + end - first, 0);
  }

  /**
   * How many bytes were asked for though another request had brought them or was to: of a request without an end it is only where that
   * begins, as it is closed when what comes next is here, and some of that is on its way by then.
   */
  askedTwice(digest: string): number {
    const asked = this.requests(digest).map(({ range = 'bytes=0-', first, end }) => {
      return { first, end: range.endsWith('-') ? Math.min(first + 1, end) : end };
    });
    return asked.reduce((sum, { first, end }) => sum + end - first, 0) - lengthOfUnion(asked);
  }

  /** How many requests with an end were closed before it. */
  closedEarly(digest: string): number {
    return this.requests(digest).filter(({ range, end }) => {
      const [, last] = /-(\d+)$/.exec(range ?? '') ?? [];
      return last !== undefined && range?.startsWith('bytes=-') === false && end <= Number(last);
    }).length;
  }

  /** Those of a request go one after the other, in pieces. */
  async *#carry(
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    carried: Carrying,
  ): AsyncGenerator<Uint8Array> {
    const { digest, first } = carried;
    this.#carried.push(carried);
    const running = this.requests(digest).filter(({ isOver }) => !isOver).length;
    this.#most.set(digest, Math.max(this.mostOf(digest), running));
    const begun = performance.now();
    try {
      for await (const chunk of body)
        for (let at = 0; at < chunk.length; at += pieceSize) {
          const piece = chunk.subarray(at, at + pieceSize);
          await this.#due(begun, carried.end - first, piece.length);
          yield piece;
          carried.end += piece.length;
        }
    } finally {
      carried.isOver = true;
    }
  }

  async #due(begun: number, sent: number, length: number): Promise<void> {
    const now = performance.now();
    const takes = (length * 1000) / this.rate;
    if (this.#isShared) this.#freeAt = Math.max(this.#freeAt, now) + takes;
    const due = this.#isShared ? this.#freeAt : begun + (sent * 1000) / this.rate + takes;
    if (due - now >= 1) await setTimeout(due - now);
  }
}

function lengthOfUnion(stretches: readonly Stretch[]): number {
  let length = 0;
  let reached = 0;
  for (const { first, end } of stretches.toSorted((one, other) => one.first - other.first)) {
    length += Math.max(0, end - Math.max(first, reached));
    reached = Math.max(reached, end);
  }
  return length;
}
