import { reasonOf } from '../load/load-error.ts';
import { importFolder } from './import-folder.ts';
import type { ImportRun } from './import-run.ts';
import { addSource, type ImportSources, type SourceSettings } from './import-sources.ts';
import { importTars } from './import-tars.ts';

/** Imports what lies at these paths; what is wrong with one of them leaves the others as they are. Tells of each image, and of what is wrong under its place. */
export async function importBundles(
  paths: readonly string[],
  settings: SourceSettings,
  run: ImportRun,
): Promise<void> {
  const sources: ImportSources = { folders: [], tars: [], lists: [] };
  for (const path of paths) {
    try {
      await addSource(path, sources, settings);
    } catch (error) {
      run.failed(path, reasonOf(error));
    }
  }
  const { folders, tars, lists } = sources;
  for (const folder of folders) await importFolder(folder, run);
  if (tars.length + lists.length > 0) await importTars(tars, lists, run);
  if (run.signal.aborted) run.failed('the rest', reasonOf(run.signal.reason));
}
