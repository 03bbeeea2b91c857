export type SyncResult = 'unchanged' | 'moved' | 'gone' | 'failed';

/** Tags that were compared with their registries, by what became of them, in this process. */
export class SyncTally implements Record<SyncResult, number> {
  unchanged = 0;
  moved = 0;
  gone = 0;
  failed = 0;
}
