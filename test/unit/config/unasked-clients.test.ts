import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText } from '#test/fakes/config-text.ts';

const tls = 'cert: a.pem, key: a.key, ca: ca.pem';

async function warningsOf(yaml: string): Promise<readonly string[]> {
  return (await loadText(yaml)).warnings;
}

describe('an authority of clients', () => {
  it('that nobody is asked for is warned of', async () => {
    assert.deepEqual(await warningsOf(`serverTlsConfig: { ${tls} }`), [
      'serverTlsConfig.ca has no effect without clientAuth: verify; everyone who reaches the port may pull',
    ]);
  });

  it('is in order where clients are asked', async () => {
    assert.deepEqual(await warningsOf(`serverTlsConfig: { ${tls}, clientAuth: verify }`), []);
  });
});
