import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** To start a process and load half of the program takes more than most files' tests. */
const filesInGroup = 8;

/** What a process has once: a test that changes it, or looks at it, has a process of its own. */
const ofProcess =
  /process\.env\[[^\]]+\] = |delete process\.env|process\.(chdir|umask|exitCode|memoryUsage|cpuUsage)|setFlagsFromString|heapHeldBy|setGlobalDispatcher|listenerCount\(|\/proc\/self|mock\.(method|timers)|^(before|after)(Each)?\(/m;

export interface Groups extends Disposable {
  readonly files: readonly string[];
}

/** Makes files of tests into fewer, each of which runs some one after the other in the same process. They go with what is returned. */
export function grouped(files: readonly string[]): Groups {
  const directory = mkdtempSync(join(tmpdir(), 'ociregistry-groups-'));
  const isAlone = Map.groupBy(files, (file) => ofProcess.test(readFileSync(file, 'utf8')));
  const together = isAlone.get(false) ?? [];
  const groups: string[] = [];
  for (let at = 0; at < together.length; at += filesInGroup) {
    const group = join(directory, `group-${groups.length}.mjs`);
    writeFileSync(group, running(together.slice(at, at + filesInGroup)));
    groups.push(group);
  }
  return {
    files: [...groups, ...(isAlone.get(true) ?? [])],
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

/** A file that cannot be loaded is a failed test, and does not keep the others from theirs. */
function running(files: readonly string[]): string {
  const urls = files.map((file) => pathToFileURL(resolve(file)).href);
  return `import { it } from 'node:test';
for (const url of ${JSON.stringify(urls)})
  await import(url).catch((error) => it(url, () => { throw error; }));
`;
}
