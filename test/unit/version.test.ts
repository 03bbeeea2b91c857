import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { readVersion } from '#src/version.ts';

it('the version is that of package.json, the date that of the build', async () => {
  const { version } = JSON.parse(await readFile(resolve(import.meta.dirname, '../../package.json'), 'utf8'));
  assert.deepEqual(readVersion({}), { version, buildDate: 'unknown' });
  assert.equal(readVersion({ OCIREGISTRY_BUILD_DATE: '2026-11-25' }).buildDate, '2026-11-25');
});
