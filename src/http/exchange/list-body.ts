import { Claim } from '../../base/claim.ts';
import { release } from '../../base/release.ts';
import { piecesInTurns } from '../../json/json-pieces.ts';

interface Shared {
  readonly pieces: Promise<readonly Uint8Array[]>;
  readonly share: Disposable;
  users: number;
  /** Does no connection look at its bytes any more, not even one that was cut? */
  isFree: boolean;
}

/** What is being sent, by the list that it was made of and by what stands before it. */
const bodies = new WeakMap<readonly unknown[], Map<string, Shared>>();

/** The JSON of a long list, one for all who are sent the same list at a time. It does not hold the list. */
export class ListBody implements Disposable {
  readonly #shared: Shared;
  readonly #forget: () => void;
  #wasSent = false;

  /** Is it being sent to somebody? */
  static isSent(items: readonly unknown[], open: string): boolean {
    return bodies.get(items)?.has(open) === true;
  }

  /** `open` and `close`: what stands around the list. `owner`: whose it is counted for. */
  constructor(
    items: readonly unknown[],
    { open, close, owner }: { open: string; close: string; owner: string },
  ) {
    const all = bodies.get(items) ?? new Map<string, Shared>();
    bodies.set(items, all);
    this.#shared = all.get(open) ?? begun(owner, async () => await piecesOf(items, open, close));
    this.#shared.users += 1;
    all.set(open, this.#shared);
    this.#forget = () => void all.delete(open);
  }

  /** Valid until it is disposed of. */
  get pieces(): Promise<readonly Uint8Array[]> {
    return this.#shared.pieces;
  }

  /** To be told when whoever was sent it has it all. */
  wasSent(): void {
    this.#wasSent = true;
  }

  [Symbol.dispose](): void {
    const { pieces, share } = this.#shared;
    this.#shared.users -= 1;
    this.#shared.isFree &&= this.#wasSent;
    if (this.#shared.users > 0) return;
    this.#forget();
    share[Symbol.dispose]();
    if (this.#shared.isFree) void pieces.then((all) => all.forEach(release));
  }
}

/** There was room for its list, which is given back when it is made. */
function begun(owner: string, make: () => Promise<readonly Uint8Array[]>): Shared {
  const room = new Claim(owner);
  const pieces = make().then((made) => {
    room.settle(made.reduce((sum, { length }) => sum + length, 0));
    return made;
  });
  return { pieces, share: room.share(), users: 0, isFree: true };
}

/** Others have their turn between them. */
async function piecesOf(
  items: readonly unknown[],
  open: string,
  close: string,
): Promise<readonly Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  let before = open;
  for await (const piece of piecesInTurns(items)) {
    pieces.push(Buffer.from(before + piece));
    before = ',';
  }
  pieces.push(Buffer.from(close));
  return pieces;
}
