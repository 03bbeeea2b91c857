/** In the order in which they are taken. `answer` is what was asked for in the end: a manifest, or `/v2/`. */
export type StepName = 'credential' | 'address' | 'connection' | 'challenge' | 'token' | 'answer';

/**
 * - `needless`: the registry did not want it.
 * - `unproved`: what came says nothing of the images there.
 * - `skipped`: an earlier one did not succeed.
 */
type StepStatus = 'ok' | 'failed' | 'needless' | 'unproved' | 'skipped';

export interface Step {
  readonly name: StepName;
  readonly status: StepStatus;
  /** Undefined: it took no time of its own. Milliseconds. */
  readonly ms?: number | undefined;
  readonly detail: string;
  /** What to look at. */
  readonly advice?: string | undefined;
}

/** What one step finds. */
export type Finding = Omit<Step, 'name'>;
