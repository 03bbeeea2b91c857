import { largeAnswers, type Room } from './room.ts';

/** So much of each counts for nothing: what hardly an ordinary list or manifest exceeds waits for nobody. Bytes. */
const uncounted = 64 * 1024;

/**
 * The part of a room that one thing takes, while it is read and as long as somebody has a share of it: those who are answered with one thing
 * take its room once. Whoever reads it has a share meanwhile.
 */
export class Claim {
  readonly #room: Room;
  readonly #owner: string;
  #shares = 0;
  #reserved = 0;
  /** What is here takes so much. Bytes. */
  #settled = 0;

  constructor(owner: string, room = largeAnswers) {
    this.#owner = owner;
    this.#room = room;
  }

  /** Is it so small that nobody needs a share? */
  get isSmall(): boolean {
    return this.#settled <= uncounted;
  }

  get owner(): string {
    return this.#owner;
  }

  get settled(): number {
    return this.#settled;
  }

  /** To be disposed of once or more often. What is here and was nobody's takes its room again, whether there is any or not. */
  share(): Disposable {
    this.#shares += 1;
    if (this.#shares === 1) this.#force(counted(this.#settled) - this.#reserved);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#shares -= 1;
        if (this.#shares === 0) this.#giveBack(this.#reserved);
      },
    };
  }

  /** Room for so many bytes beside what is here. False: there is none now. */
  cover(bytes: number): boolean {
    const more = this.#lacking(bytes);
    if (more <= 0) return true;
    if (!this.#room.tryTake(this.#owner, more, this.#reserved)) return false;
    this.#reserved += more;
    return true;
  }

  /** As {@link cover}, when its turn has come. False: there was none in time, or too many wait. Rejects with the signal's reason. */
  async wait(bytes: number, signal?: AbortSignal): Promise<boolean> {
    const more = this.#lacking(bytes);
    if (more <= 0) return true;
    if (!(await this.#room.take(this.#owner, more, this.#reserved, signal))) return false;
    this.#reserved += more;
    if (this.#shares > 0) return true;
    this.#giveBack(this.#reserved);
    return false;
  }

  /** What is here takes so many bytes, in all; more than that is given back. */
  settle(bytes: number): void {
    this.#settled = bytes;
    if (this.#shares === 0) return;
    const more = counted(bytes) - this.#reserved;
    if (more > 0) this.#force(more);
    else this.#giveBack(-more);
  }

  #lacking(bytes: number): number {
    return counted(this.#settled + bytes) - this.#reserved;
  }

  #force(bytes: number): void {
    if (bytes <= 0) return;
    this.#room.force(this.#owner, bytes);
    this.#reserved += bytes;
  }

  #giveBack(bytes: number): void {
    this.#reserved -= bytes;
    this.#room.giveBack(this.#owner, bytes);
  }
}

function counted(bytes: number): number {
  return Math.max(0, bytes - uncounted);
}

/** Reads with a share, which is given back when those who wait for what comes of it have had their turn to take theirs. */
export async function reading<Value>(claim: Claim, read: () => Promise<Value>): Promise<Value> {
  const share = claim.share();
  try {
    return await read();
  } finally {
    claim.settle(claim.settled);
    setImmediate(() => share[Symbol.dispose]());
  }
}
