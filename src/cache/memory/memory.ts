import type { Change, Changes } from '../../storage/operation.ts';

/** What is remembered of what the stores say, and has to be looked up again when somebody else has changed it there. */
export interface Memory {
  forget(change: Change): void;
  forgetAll(): void;
}

/** Tells all memories of what was changed. */
export function forgetIn(memories: readonly Memory[], changes: Changes): void {
  for (const memory of memories) {
    if (changes === 'all') memory.forgetAll();
    else for (const change of changes) memory.forget(change);
  }
}
