import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withAliasHint } from '#src/http/alias-hint.ts';
import { RegistryError } from '#src/oci/error.ts';
import { Wording } from '#src/oci/wording.ts';

describe('the hint at an alias', () => {
  it('leaves to the operator what is his alone', () => {
    const words = new Wording('refused, with the configured credential', 'refused, as user "me"');
    const error = withAliasHint(new RegistryError('DENIED', words), () => 'internal');
    assert.ok(error instanceof RegistryError);
    const hint = '; did you mean the alias "internal"?';
    assert.deepEqual([error.message, error.forOperator], [words.forClients + hint, words.forOperator + hint]);
  });
});
