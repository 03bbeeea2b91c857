import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProcessSignals } from '#src/cli/process-signals.ts';

describe('what ends a server', () => {
  it('is a call and behind it a signal, as whoever runs containers sends: downloads may end; a second signal ends it at once', async (t) => {
    let now = 1000;
    t.mock.method(performance, 'now', () => now);
    const killed: unknown[] = [];
    t.mock.method(process, 'kill', (_: number, signal: unknown) => {
      killed.push(signal);
      return true;
    });
    const signals = new ProcessSignals();
    const before = process.listeners('SIGTERM');
    signals.listen();
    try {
      const { stop } = signals;
      signals.end();
      assert.equal(await stop, 'SIGTERM');
      for (const [at, expected] of [
        [6000, []],
        [6500, []],
        [8000, ['SIGTERM']],
      ] as const) {
        now = at;
        process.emit('SIGTERM', 'SIGTERM');
        assert.deepEqual(killed, expected, `${at}`);
      }
    } finally {
      for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
        for (const listener of process.listeners(name))
          if (!before.includes(listener)) process.off(name, listener);
    }
  });
});
