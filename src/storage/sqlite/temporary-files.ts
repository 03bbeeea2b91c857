/**
 * What SQLite cannot hold in memory goes to files in this directory while the work runs, and in none that the system has for that: a
 * container with a root that is only read has no /tmp. They have no names, so that none is left behind. SQLite takes the place from the
 * environment alone; what an operator has set there counts. Nobody else runs meanwhile.
 */
export function withTemporaryFilesIn<Result>(directory: string, work: () => Result): Result {
  if (process.env[variable] !== undefined) return work();
  process.env[variable] = directory;
  try {
    return work();
  } finally {
    delete process.env[variable];
  }
}

const variable = 'SQLITE_TMPDIR';
