import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { blamed, Fault } from '#src/oci/fault.ts';

const fault = new Fault('a manifest that is not JSON');

describe('a fault', () => {
  it('says nothing of whose it is until whoever knows has named the culprit', () => {
    for (const [code, culprit, status] of [
      ['UNAVAILABLE', 'upstream sent', 502],
      ['MANIFEST_INVALID', 'the client sent', 400],
      ['UNKNOWN', 'the file on disk holds', 500],
    ] as const) {
      const error = blamed(fault, code, culprit);
      assert.ok(error instanceof RegistryError);
      assert.deepEqual(
        [error.code, error.status, error.message, error.cause],
        [code, status, `${culprit} a manifest that is not JSON`, fault],
      );
    }
  });

  it('is not found in what was thrown for another reason', () => {
    for (const error of [new RegistryError('TOOMANYREQUESTS'), new TypeError('a bug'), undefined])
      assert.equal(blamed(error, 'UNAVAILABLE', 'upstream sent'), error);
  });
});
