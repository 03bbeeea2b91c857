import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamLabels } from '#src/observe/upstream-labels.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';

const hub = parseRegistryHost('docker.io');

describe('the label upstream', () => {
  it('is the host of a configured registry, whether it answers or not', () => {
    const labels = new UpstreamLabels([hub]);
    assert.equal(labels.of(hub, false), 'docker.io');
    assert.equal(labels.of(undefined, true), 'none');
  });

  it('is given to another registry when it has answered, and then kept', () => {
    const labels = new UpstreamLabels([hub]);
    const ghcr = parseRegistryHost('ghcr.io');
    assert.equal(labels.of(ghcr, false), 'other');
    assert.equal(labels.of(ghcr, true), 'ghcr.io');
    assert.equal(labels.of(ghcr, false), 'ghcr.io');
  });

  it('has a bounded number of values, however many names clients make up', () => {
    const labels = new UpstreamLabels([hub]);
    const values = new Set<string>();
    for (let index = 0; index < 1000; index += 1) {
      values.add(labels.of(parseRegistryHost(`r${index}.example`), index % 2 === 0));
    }
    assert.equal(values.size, 21);
    assert.ok(values.has('other'));
    assert.equal(labels.of(hub, true), 'docker.io');
  });
});
