import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atHand, peerOf } from '../../bench/peers.ts';
import { componentsOf } from '../../setup/components.ts';

const files = { config: '/d/config.json', distribution: '/d/distribution.json', zot: '/d/zot.json' };
const place = {
  directory: '/d',
  port: 81,
  metricsPort: 0,
  upstream: '127.0.0.1:82',
  tls: undefined,
  settings: {},
};

function lineOf(text: string): string | undefined {
  return peerOf(text).commandLine(files, place)[2];
}

describe('--peer', () => {
  it('has a name and a command, whose words in braces stand for files and for what is in them', () => {
    assert.equal(peerOf('zot=/opt/zot serve {zot}').name, 'zot');
    assert.equal(lineOf('zot=/opt/zot serve {zot}'), 'exec /opt/zot serve /d/zot.json');
    assert.equal(
      lineOf('x=run --port {port} --dir {cache} --from http://{upstream} --{other}'),
      'exec run --port 81 --dir /d/data --from http://127.0.0.1:82 --{other}',
    );
  });

  it('is run as this program is where it has none of these words', () => {
    assert.equal(
      lineOf('before=node ../b/src/bin.js'),
      'exec node ../b/src/bin.js --config-file /d/config.json serve',
    );
  });

  it('is refused without a name or a command', () => {
    for (const text of ['node bin.js', '=node', 'before=']) assert.throws(() => peerOf(text), /name=command/);
  });
});

describe('the peers at hand', () => {
  it('that are built for the bench are installed by no run of tests', () => {
    const names = (suite?: string) => componentsOf(suite).map(({ name }) => name);
    assert.ok(!names().includes('distribution') && names('bench').includes('distribution'));
  });

  it('have part in all that they can do', () => {
    const playing = (scenario: string) =>
      atHand.filter(({ plays }) => plays?.(scenario) !== false).map(({ name }) => name);
    assert.deepEqual(playing('manifests'), ['docker-registry', 'distribution', 'ceiling']);
    assert.deepEqual(playing('images'), ['docker-registry', 'distribution']);
    assert.deepEqual(playing('pushes'), ['docker-registry', 'distribution']);
    assert.deepEqual(playing('start'), []);
  });
});
