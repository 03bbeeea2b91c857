import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
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
    const names = ['configmap', 'deployment', 'persistentvolumeclaim', 'service'];
    const files = names.map((name) => join(config, 'kubernetes', `${name}.yaml`));
    await command(programOf('kubernetes-validate'), ['--strict', ...files]);
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
