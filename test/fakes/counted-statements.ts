import type { Database, Statement } from 'better-sqlite3';
import { openInMemory } from '#src/storage/sqlite/open-database.ts';

type Calls = Pick<Statement, 'all' | 'get' | 'run'>;

/** What SQLite is asked for by this process, by text, until it is disposed of. */
export function countedStatements() {
  const asked: string[] = [];
  const database: Database = openInMemory();
  const prototype = Object.getPrototypeOf(database.prepare('select 1')) as Calls;
  database.close();
  const { all, get, run } = prototype;
  const counted = <Call extends (...parameters: never[]) => unknown>(call: Call): Call =>
    function (this: Statement, ...parameters: never[]): unknown {
      asked.push(this.source);
      return Reflect.apply(call, this, parameters);
    } as Call;
  Object.assign(prototype, { all: counted(all), get: counted(get), run: counted(run) });
  return {
    /** What was asked for since it was taken last, beside what is looked at now and then: what others have changed. */
    take: () =>
      asked
        .splice(0)
        .filter((text) => !/^pragma|max\(sequence\)|^(BEGIN|COMMIT|SAVEPOINT|RELEASE)/i.test(text)),
    [Symbol.dispose]: () => void Object.assign(prototype, { all, get, run }),
  };
}
