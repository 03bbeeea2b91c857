import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { prepareClients } from '#src/storage/sqlite/client-writer.ts';
import { prepareEventWrites } from '#src/storage/sqlite/event-writer.ts';
import { prepareFreed } from '#src/storage/sqlite/freed-bytes.ts';
import { prepareGraph } from '#src/storage/sqlite/graph-statements.ts';
import { prepareNames } from '#src/storage/sqlite/known-names.ts';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { prepareRemovals } from '#src/storage/sqlite/removal-statements.ts';

import { prepareRestore } from '#src/storage/sqlite/restore-writer.ts';

import { prepareEvents } from '#src/storage/sqlite/sqlite-event-queue.ts';

import { prepareInventory } from '#src/storage/sqlite/sqlite-inventory.ts';
import { prepareMisses } from '#src/storage/sqlite/sqlite-misses.ts';
import { prepareReads } from '#src/storage/sqlite/statements.ts';
import { prepareWrites } from '#src/storage/sqlite/write-statements.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** Their answer is all that the repository has, of which one row tells another apart; or a row of it is enough. */
const wholeRepository = ['getTagList', 'listRepositories'];
/** A page of what is walked in order; a row for each registry, for each endpoint, for each upload of ten thousand at most. */
const walks = ['totals', 'eventEndpoints', 'countUploads'];

describe('the queries of the index', async () => {
  const directory = await temporaryDirectory();
  const { database } = await openDatabase(directory.path);
  after(async () => {
    database.close();
    await directory[Symbol.asyncDispose]();
  });

  const queries = Object.entries({
    ...prepareReads(database),
    ...prepareInventory(database),
    ...prepareWrites(database),
    ...prepareGraph(database),
    ...prepareRemovals(database),
    ...prepareMisses(database),
    ...prepareFreed(database),
    ...prepareRestore(database),
    ...Object.fromEntries(
      Object.entries(prepareNames(database)).map(([name, query]) => [`names: ${name}`, query]),
    ),
    ...prepareEvents(database),
    ...prepareEventWrites(database),
    ...prepareClients(database),
  });
  for (const [name, { source }] of queries) {
    it(`read no more than they return or change: ${name}`, () => {
      const values = Array.from(source.matchAll(/\?|\$\w+/g), () => 1);
      const plan = database
        .prepare<unknown[], { detail: string }>(`explain query plan ${source.replaceAll(/\$\w+/g, '?')}`)
        .all(...values);
      for (const { detail } of plan) {
        // What was made by the query itself has a few rows.
        if (walks.includes(name) || /^SCAN (?:page|owners|json_each|b$|CONSTANT|\()/.test(detail)) continue;
        assert.doesNotMatch(detail, /^SCAN/);
        if (!wholeRepository.includes(name)) assert.doesNotMatch(detail, /\(repository=\?\)$/);
      }
    });
  }
});
