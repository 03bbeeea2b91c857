import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { normalArguments } from '#src/cli/arguments.ts';

const flag = (name: string, takesValue: boolean) => ({
  name,
  takesValue,
  about: '',
  parse: (text: string) => text,
});
const flags = [flag('port', true), flag('pattern', true), flag('dry-run', false)];

describe('normalArguments', () => {
  const cases: [given: string, normal: string][] = [
    ['-port 8080 serve', '--port=8080 serve'],
    ['--port 8080', '--port=8080'],
    ['-port=8080', '--port=8080'],
    ['--port=', '--port='],
    ['-pattern -port', '--pattern=-port'],
    ['-pattern a=b', '--pattern=a=b'],
    ['--port', '--port'],
    ['-dry-run prune', '--dry-run prune'],
    ['--dry-run=true', '--dry-run'],
    ['-dry-run=F', '--no-dry-run'],
    ['--dry-run=maybe', '--dry-run=maybe'],
    ['-help', '--help'],
    ['-h -x --unknown -other=1', '-h -x --unknown -other=1'],
    ['prune -- -port 1', 'prune -- -port 1'],
    ['', ''],
  ];
  for (const [given, normal] of cases) {
    it(`makes ${normal || 'nothing'} of ${given || 'nothing'}`, () => {
      const argv = given.split(' ').filter((argument) => argument !== '');
      assert.equal(normalArguments(argv, flags).join(' '), normal);
    });
  }
});
