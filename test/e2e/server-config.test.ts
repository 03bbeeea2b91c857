import assert from 'node:assert/strict';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { analyze, complaintsOf, needsSystemdAnalyze } from './support/systemd-analyze.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const config = join(import.meta.dirname, '../../config');

/** Tenths of what `systemd-analyze security` calls exposure; 100 is a service without any restriction. */
const maxExposure = '20';

describe('the server configuration that we ship', () => {
  it('is what Kubernetes takes', needs('kubernetes-validate'), async () => {
    await using directory = await temporaryDirectory();
    const paths = await Array.fromAsync(glob('**/*.yaml', { cwd: join(config, 'kubernetes') }));
    assert.ok(paths.length >= 6);
    const files = paths.map((path) => join(config, 'kubernetes', path));
    const open: string[] = [];
    for (const [index, file] of files.entries()) {
      // Also what stands there as a comment, to be used in its turn.
      const text = (await readFile(file, 'utf8')).replaceAll(/^( *)#(?=\S| {2})/gm, '$1');
      const path = join(directory.path, `${index}.yaml`);
      await writeFile(path, text);
      open.push(path);
    }
    await command(programOf('kubernetes-validate'), ['--strict', ...files, ...open]);
  });

  it('is what systemd takes, with few rights', needsSystemdAnalyze, async () => {
    await using directory = await temporaryDirectory();
    const unit = join(directory.path, 'ociregistry.service');
    const text = await readFile(join(config, 'systemd/ociregistry.service'), 'utf8');
    // The program is not installed here, and systemd looks whether it is.
    await writeFile(
      unit,
      text.replace('ExecStart=/usr/local/bin/ociregistry', `ExecStart=${process.execPath}`),
    );
    assert.deepEqual(await complaintsOf(unit), []);
    const security = ['security', '--offline=yes', `--threshold=${maxExposure}`];
    const { code, lines } = await analyze(...security, unit);
    assert.equal(code, 0, lines.join('\n'));
  });
});
