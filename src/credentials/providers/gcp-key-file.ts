import { jsonObject } from '../../json/json-object.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Reach } from './cloud-rule.ts';
import { readSecretFile } from './secret-file.ts';

/** A file of Google's application default credentials. Errors are DENIED, name it and quote nothing of it. */
export interface KeyFile {
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export async function readKeyFile(path: string): Promise<KeyFile> {
  const fields = jsonObject(await readSecretFile('gcp', path));
  if (fields !== undefined) return { path, fields };
  throw wrongKey(path, 'is not JSON');
}

/** A text that must be there. */
export function fieldOf({ path, fields }: KeyFile, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '') return value;
  throw wrongKey(path, `has no ${name}`);
}

export function urlOf({ path, fields }: KeyFile, name: string, byDefault?: string): URL {
  const value = fields[name] ?? byDefault;
  if (typeof value === 'string' && /^https?:/i.test(value) && URL.canParse(value)) return new URL(value);
  throw new RegistryError('DENIED', `gcp: the ${name} in ${JSON.stringify(path)} is no URL`);
}

/** Where what a key file names may be: Google's own behind a private link too, where its certificate says who it is. */
export function reachOf({ protocol, hostname }: URL): Reach {
  return protocol === 'https:' && /(?:^|\.)(?:googleapis\.com|accounts\.google\.com)$/.test(hostname)
    ? 'private'
    : 'public';
}

export function wrongKey(path: string, reason: string): RegistryError {
  return new RegistryError('DENIED', `gcp: ${JSON.stringify(path)} ${reason}`);
}
