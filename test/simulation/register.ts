/** One change of a thing that has one value at a time, as whoever asked for it knows it. Times in fake milliseconds. */
interface Change<Value> {
  /** Undefined: it is not there. */
  readonly value: Value | undefined;
  readonly from: number;
  /** When it was answered; what was not may come yet. */
  to: number;
  /** It was done; else nobody knows. */
  isSure: boolean;
  /** The server that has done it. */
  readonly by: string;
}

/** Whoever looks: when, and how long the change of a server may not be known to him. Milliseconds. */
export interface Look {
  readonly from: number;
  readonly to: number;
  readonly lagMs: (by: string) => number;
}

/** What is known of how a change has ended: it was `done`, or `refused` and nothing has changed, or nobody knows and it may come until then. */
export type Ended = 'done' | 'refused' | { readonly mayComeUntil: number };

const never = Number.NEGATIVE_INFINITY;

/** What somebody may be told of a thing that others change at the same time: what was written last, or is being written. */
export class Register<Value> {
  #changes: Change<Value>[] = [{ value: undefined, from: never, to: never, isSure: true, by: '' }];

  /** Returns what says how it has ended. */
  begin(value: Value | undefined, { from, by }: { readonly from: number; readonly by: string }) {
    const change = { value, from, to: Number.POSITIVE_INFINITY, isSure: false, by };
    this.#changes.push(change);
    return (ended: Ended, time: number): void => {
      if (ended === 'refused') this.#changes = this.#changes.filter((each) => each !== change);
      else
        Object.assign(change, { isSure: ended === 'done', to: ended === 'done' ? time : ended.mayComeUntil });
    };
  }

  /** All that whoever looks may find. */
  values(look: Look): ReadonlySet<Value | undefined> {
    const possible = this.#changes.filter(
      (change) => change.from <= look.to && !this.#changes.some((other) => isOver(change, other, look)),
    );
    return new Set(possible.map(({ value }) => value));
  }

  mayBe(value: Value | undefined, look: Look): boolean {
    return this.values(look).has(value);
  }

  /** Nothing else. */
  must(value: Value | undefined, look: Look): boolean {
    const values = this.values(look);
    return values.size === 1 && values.has(value);
  }
}

/** Has another change taken its place before somebody looked, whatever their order was? */
function isOver({ to }: Change<unknown>, other: Change<unknown>, { from, lagMs }: Look): boolean {
  return other.isSure && other.from > to && other.to + lagMs(other.by) < from;
}
