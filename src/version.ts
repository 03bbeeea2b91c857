import { readFileSync } from 'node:fs';

export interface Version {
  readonly version: string;
  /** As the build wrote it; `unknown` for a checkout. */
  readonly buildDate: string;
}

/** Which ociregistry this is. The manifest lies one folder above, both of the source and of what is built from it. */
export function readVersion(environment: NodeJS.ProcessEnv): Version {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return {
    version: String(Reflect.get(manifest as object, 'version')),
    buildDate: environment['OCIREGISTRY_BUILD_DATE'] ?? 'unknown',
  };
}
