import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';

/** So long whoever writes or reads just then is waited for. Milliseconds. */
const busyMs = 100;

// The program of the thread of Checkpoints: at each message it brings into the file what the log has.
const database = new SqliteDatabase(workerData as string, { timeout: busyMs, fileMustExist: true });
database.pragma('synchronous = NORMAL');
parentPort?.on('message', () => {
  try {
    // Beside those who write; then, with the little that they have added, so that the log begins anew, before them.
    database.pragma('wal_checkpoint(PASSIVE)');
    database.pragma('wal_checkpoint(TRUNCATE)');
  } catch {
    // No room, a disk that fails: whoever writes is told so. It is tried again.
  }
  parentPort?.postMessage('over');
});
