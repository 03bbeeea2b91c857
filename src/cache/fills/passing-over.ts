import type { FillRunParts } from './fill-run.ts';
import type { RunUnderWay } from './fill-runs.ts';
import { soonMs } from './speed.ts';

/** What is on its way at less than this part of the rate in order is not waited for. By less several that share a link would differ, or a busy machine. */
const muchSlower = 16;
/** So long it is watched before that is said: a busy machine reads nothing for a while. Milliseconds. */
const watchedMs = 3000;

/** What is waited for, and since when and where. */
interface Watch {
  readonly run: RunUnderWay;
  readonly at: number;
  readonly since: number;
}

/** What comes in order passes over what is here already, or on its way as a part, and waits for that. */
export class PassingOver {
  readonly #parts: Pick<FillRunParts, 'clock' | 'runs' | 'tape'>;

  constructor(parts: Pick<FillRunParts, 'clock' | 'runs' | 'tape'>) {
    this.#parts = parts;
  }

  /**
   * The first byte from this one on that nothing brings, once what was on its way to it has come. `rate`: of what came in order, bytes a
   * millisecond; what is far slower than that is given up. Throws the signal's reason.
   */
  async from(first: number, rate: number, signal: AbortSignal): Promise<number> {
    const { clock, runs, tape } = this.#parts;
    let at = first;
    for (let watch: Watch | undefined; tape.isStored; await this.#moved()) {
      at = tape.here.endFrom(at);
      const run = runs.bringing(at);
      if (run === undefined) return at;
      signal.throwIfAborted();
      const now = clock.monotonic();
      if (watch?.run !== run) watch = { run, at: run.at, since: now };
      if (now - watch.since < watchedMs) continue;
      if (isMuchSlower(watch, now, rate)) {
        run.giveUp();
        return at;
      }
      watch = undefined;
    }
    return at;
  }

  /** Settles when more has come, or it is time to see whether it does. */
  async #moved(): Promise<void> {
    const { clock, runs } = this.#parts;
    const late = Promise.withResolvers<void>();
    using _ = clock.after(soonMs, late.resolve);
    await Promise.race([runs.next(), late.promise]);
  }
}

function isMuchSlower({ run, at, since }: Watch, now: number, rate: number): boolean {
  return (run.at - at) * muchSlower < (now - since) * rate;
}
