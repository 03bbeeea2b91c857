import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import { schemaVersion } from './schema.ts';

/** Whoever of another process writes all the time leaves gaps of a millisecond or two: so often one is looked for. */
const maxTries = 50;

/**
 * `copy`: brings into the file what the log has, beside those who write. `begin`: with the little that they have added, before them, so that the log
 * begins anew; this process writes nothing meanwhile.
 */
export type CheckpointStep = 'copy' | 'begin';

const database = new SqliteDatabase(workerData as string, { timeout: 0, fileMustExist: true });
database.pragma('synchronous = NORMAL');

// The program of the thread of Checkpoints: at each message it does a step, and says so.
parentPort?.on('message', (step: CheckpointStep) => {
  try {
    if (step === 'copy') database.pragma('wal_checkpoint(PASSIVE)');
    else beginInTime();
  } catch {
    // No room, a disk that fails, a lock: whoever writes is told so. It is tried again.
  }
  parentPort?.postMessage(step);
});

function beginInTime(): void {
  for (let tries = 0; tries < maxTries && !beginAnew(); tries += 1)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** False: somebody writes, or reads what is old. */
function beginAnew(): boolean {
  const [result] = database.pragma('wal_checkpoint(TRUNCATE)') as { readonly busy: number }[];
  if (result?.busy !== 0) return false;
  // Whoever writes first to a log that begins anew waits for the disk. What this writes was true before.
  database.pragma(`user_version = ${schemaVersion}`);
  return true;
}
