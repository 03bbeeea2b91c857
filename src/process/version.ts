import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Version {
  readonly version: string;
  /** ISO 8601, UTC: when it was built, of a checkout the date of its last commit; `unknown` where nobody says. Looked for when it is asked for. */
  readonly buildDate: string;
}

/** Milliseconds. */
const gitLimit = 5000;

/** Which ociregistry this is. `folder`: the source, or what is built from it; the manifest lies one above. */
export function readVersion(folder = new URL('../', import.meta.url)): Version {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', folder), 'utf8'));
  return {
    version: String(Reflect.get(manifest as object, 'version')),
    get buildDate() {
      return (
        writtenByBuild(new URL('./build-date', folder)) ?? dateOfCommit(new URL('../', folder)) ?? 'unknown'
      );
    },
  };
}

/** `npm run build` and the Dockerfile write it. */
function writtenByBuild(file: URL): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** Not of a repository further up, which an installed package may lie in. */
function dateOfCommit(checkout: URL): string | undefined {
  if (!existsSync(new URL('./.git', checkout))) return undefined;
  const log = ['log', '-1', '--format=%cd', '--date=format-local:%Y-%m-%dT%H:%M:%SZ'];
  const { status, stdout } = spawnSync('git', ['-C', fileURLToPath(checkout), ...log], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
    timeout: gitLimit,
  });
  return status === 0 ? stdout.trim() : undefined;
}
