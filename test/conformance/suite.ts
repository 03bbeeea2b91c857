import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from '../setup/needs.ts';

const limitMs = 240_000;

export type Status = 'passed' | 'failure' | 'error' | 'skipped';

/** How often each test of a run ended how: one name may stand for several tests (each blob of an image). */
export type Results = ReadonlyMap<string, Readonly<Record<Status, number>>>;

/**
 * One run of the OCI conformance suite against a registry. `settings` are its environment without `OCI_`; reports are left in
 * `folder`. Throws when it ends without results.
 */
export async function runSuite(
  host: string,
  folder: string,
  settings: Readonly<Record<string, string>>,
): Promise<Results> {
  const own = { REGISTRY: host, TLS: 'disabled', RESULTS_DIR: folder, ...withoutDeletes, ...settings };
  const env = Object.fromEntries(Object.entries(own).map(([name, value]) => [`OCI_${name}`, value]));
  const suite = spawn(programOf('conformance'), [], {
    // Elsewhere it would find a configuration file of its own.
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: limitMs,
  });
  const said: Buffer[] = [];
  suite.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  await once(suite, 'close');
  try {
    return parseReport(await readFile(join(folder, 'junit.xml'), 'utf8'));
  } catch (cause) {
    throw new Error(`the suite left no results: ${Buffer.concat(said).toString('utf8').slice(-2000)}`, {
      cause,
    });
  }
}

export const deletes = {
  API_BLOBS_DELETE: 'true',
  API_MANIFESTS_DELETE: 'true',
  API_TAGS_DELETE: 'true',
};

const withoutDeletes = {
  API_BLOBS_DELETE: 'false',
  API_MANIFESTS_DELETE: 'false',
  API_TAGS_DELETE: 'false',
};

/** Reads `<testcase name="OCI Conformance Test/image/pull/blob-get" … status="passed">`. Throws where there is none. */
export function parseReport(junit: string): Results {
  const results = new Map<string, Record<Status, number>>();
  for (const [, name = '', status = ''] of junit.matchAll(/<testcase name="([^"]*)"[^>]*? status="(\w+)"/g)) {
    const test = name.replace(/^[^/]*\//, '');
    const counts = results.get(test) ?? { passed: 0, failure: 0, error: 0, skipped: 0 };
    counts[status as Status] += 1;
    results.set(test, counts);
  }
  if (results.size === 0) throw new Error('no test in the report');
  return results;
}
