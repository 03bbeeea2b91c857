import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { it } from 'node:test';
import { withFailedSuites } from '../../setup/failed-suites.ts';

function failure(name: string, failureType: string, cause: Error) {
  const error = Object.assign(new Error('a test failed', { cause }), { failureType });
  return { type: 'test:fail', data: { name, nesting: 0, details: { error } } };
}

it('a suite that did not come to its tests is named in front of the summary, with the reason', async () => {
  const events = [
    failure('the image', 'hookFailed', new Error('the build failed')),
    failure('a test', 'testCodeFailure', new Error('1 !== 2')),
    { type: 'test:diagnostic', data: { nesting: 0, message: 'tests 3' } },
    { type: 'test:diagnostic', data: { nesting: 0, message: 'fail 0' } },
  ];
  const seen = await Array.fromAsync(withFailedSuites(Readable.from(events)));
  assert.deepEqual(
    seen.flatMap(({ data }) => ('message' in data ? data.message : [])),
    ['failed before or behind its tests: the image (the build failed)', 'tests 3', 'fail 0'],
  );
});
