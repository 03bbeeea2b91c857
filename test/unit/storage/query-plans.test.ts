import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { prepareStatements } from '#src/storage/sqlite/statements.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** Their answer is all that the repository has. */
const wholeRepository = ['listTags', 'getTagList'];

describe('the queries of the index', async () => {
  const directory = await temporaryDirectory();
  const database = await openDatabase(directory.path);
  after(async () => {
    database.close();
    await directory[Symbol.asyncDispose]();
  });

  const queries = Object.entries(prepareStatements(database)).filter(([, { source }]) =>
    /^\s*select/i.test(source),
  );
  for (const [name, { source }] of queries) {
    it(`read no more than they return: ${name}`, () => {
      const values = Array.from(source.matchAll(/\?/g), () => 1);
      const plan = database
        .prepare<unknown[], { detail: string }>(`explain query plan ${source}`)
        .all(...values);
      assert.ok(plan.length > 0);
      for (const { detail } of plan) {
        assert.doesNotMatch(detail, /^SCAN (?!\(|.* USING COVERING INDEX)/);
        if (!wholeRepository.includes(name)) assert.doesNotMatch(detail, /\(repository=\?\)$/);
      }
    });
  }
});
