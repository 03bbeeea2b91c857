import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failed, heldTable, lost, table } from '../../conformance/comparison.ts';
import { readOnlyContent } from '../../conformance/content.ts';
import { parseReport, type Status } from '../../conformance/suite.ts';

function report(...tests: readonly [name: string, status: Status][]) {
  const cases = tests.map(
    ([name, status]) =>
      `<testcase name="Suite/${name}" classname="" time="0.1" status="${status}">\n<system-out>&lt;x status="passed"></system-out></testcase>`,
  );
  return parseReport(`<testsuites><testsuite>${cases.join('\n')}</testsuite></testsuites>`);
}

describe('the comparison of two conformance runs', () => {
  it('names what passes directly and fails, is skipped or is missing through us', () => {
    const direct = report(['a', 'passed'], ['b', 'passed'], ['c', 'passed'], ['d', 'failure']);
    const through = report(['a', 'failure'], ['b', 'skipped'], ['d', 'passed']);
    assert.deepEqual(lost({ name: 'x', direct, through }), ['a', 'b', 'c']);
  });

  it('counts tests of the same name, whichever of them it was', () => {
    const direct = report(['get', 'passed'], ['get', 'failure'], ['get', 'passed'], ['get', 'passed']);
    assert.deepEqual(lost({ name: 'x', direct, through: direct }), []);
    const through = report(['get', 'failure'], ['get', 'failure'], ['get', 'passed'], ['get', 'failure']);
    assert.deepEqual(lost({ name: 'x', direct, through }), ['get (2 times)']);
    assert.match(table([{ name: 'x', direct, through }]), /^x +3\/1 +1\/3 +0 +1$/m);
  });

  it('names what fails of a registry of ours, and nothing that is skipped', () => {
    const results = report(['a', 'passed'], ['b', 'failure'], ['c', 'skipped'], ['d', 'error']);
    assert.deepEqual(failed({ name: 'x', results }), ['b', 'd']);
    assert.match(heldTable([{ name: 'x', results }]), /^x +1\/2$/m);
  });

  it('does not take a report without tests for a success', () => {
    assert.throws(() => parseReport('<testsuites></testsuites>'));
  });

  it('expects of the cache what was read through it, of one repository', () => {
    const served = ['/v2/a/b/manifests/v1', '/v2/a/b/manifests/sha256:1', '/v2/a/b/blobs/sha256:2'];
    const more = ['/v2/a/b/referrers/sha256:3?artifactType=x', '/v2/a/c/manifests/v2', '/v2/a/b/tags/list'];
    assert.deepEqual(readOnlyContent([...served, ...more], 'a/b'), {
      RO_DATA_TAGS: 'v1',
      RO_DATA_MANIFESTS: 'sha256:1',
      RO_DATA_BLOBS: 'sha256:2',
      RO_DATA_REFERRERS: 'sha256:3',
    });
  });
});
