import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import type { WriteStream } from 'node:tty';
import { showOnTerminal } from '#src/cli/load-display.ts';
import { frameOf, type LoadState } from '#src/cli/load-frame.ts';
import { hasColours, terminalOf } from '#src/cli/terminal.ts';
import { Tally } from '#src/load/tally.ts';

function running(name: string, fetched: number, expected: number) {
  return { name, tally: Object.assign(new Tally(), { fetched, expected }) };
}

const state: LoadState = {
  ...{ total: 12, done: 3, failed: 1, fetched: 45_100_000, seconds: 12.7 },
  running: [
    running('docker.io/library/alpine:3', 12_000_000, 45_000_000),
    running('a\u001b[2Jb.tar', 2_000_000, 0),
  ],
};

describe('how far a load is', () => {
  it('is told in a line, with one for each that runs', () => {
    assert.equal(
      frameOf(state, 80, 24),
      [
        '3 of 12 done, 1 failed, 45.1 MB fetched, 12 s',
        '  docker.io/library/alpine:3  12.0 of 45.0 MB',
        '  a?[2Jb.tar  2.0 MB',
      ].join('\n'),
    );
  });

  it('has room on a small terminal', () => {
    const many = { ...state, running: Array.from({ length: 20 }, (_, at) => running(`image-${at}`, 0, 0)) };
    const lines = frameOf(many, 20, 6).split('\n');
    assert.deepEqual([lines.length, lines.at(-1)], [5, '  and 17 more']);
    assert.ok(lines.every((line) => line.length < 20));
    assert.equal(frameOf(many, 80, 24).split('\n').length, 10);
    assert.equal(frameOf(many, 0, 0).length > 0, true);
  });

  it('makes way for what stays, and is gone in the end', async () => {
    const terminal = Object.assign(new PassThrough(), { columns: 80, rows: 24 });
    const listeners = process.listenerCount('SIGINT');
    {
      using display = await showOnTerminal(() => state, terminal);
      await new Promise((resolve) => terminal.once('readable', resolve));
      assert.match(String(terminal.read()), /3 of 12 done/);
      display.makeWay();
      assert.match(String(terminal.read()).replaceAll('\u001b', 'ESC'), /^(?:ESC\[(?:2K|1A|G))+$/);
    }
    assert.equal(terminal.read(), null);
    assert.equal(process.listenerCount('SIGINT'), listeners);
  });
});

describe('a terminal', () => {
  const tty = { isTTY: true, columns: 80, rows: 24, hasColors: () => true } as unknown as WriteStream;

  it('is one that somebody looks at', () => {
    assert.equal(terminalOf(tty, { TERM: 'xterm' }), tty);
    assert.equal(terminalOf(tty, { TERM: 'xterm', CI: 'false' }), tty);
    assert.equal(terminalOf(tty, { TERM: 'dumb' }), undefined);
    assert.equal(terminalOf(tty, { TERM: 'xterm', CI: 'true' }), undefined);
    assert.equal(terminalOf(Object.assign(Object.create(tty), { rows: 0 }), { TERM: 'xterm' }), undefined);
    assert.equal(terminalOf(new PassThrough() as unknown as WriteStream, {}), undefined);
  });

  it('has colours unless it is a file', () => {
    assert.equal(hasColours(tty, {}), true);
    assert.equal(
      hasColours(Object.assign(new PassThrough(), { isTTY: false }) as unknown as WriteStream, {}),
      false,
    );
  });
});
