// For the Dockerfile: runs the server that is named until it answers, however long that takes on this machine, and ends it. So Node
// compiles what a server needs, and keeps it (src/bin.js). Exit 0: it answered, and ended as it should.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A build that hangs is given up. Milliseconds. */
const limitMs = 10 * 60_000;
const pauseMs = 200;

/** @returns {Promise<number>} one that is free now; no other server runs in a build */
function freePort() {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** @param {string} url */
async function answers(url) {
  try {
    const { ok } = await fetch(url);
    return ok;
  } catch {
    return false;
  }
}

const port = await freePort();
const directory = mkdtempSync(join(tmpdir(), 'first-run-'));
const options = ['--image-path', directory, 'serve', '--port', String(port)];
const server = spawn(process.argv[2] ?? './server', options, { stdio: 'inherit' });
/** @type {string | number | null | undefined} */
let end;
const ended = new Promise((resolve) => server.once('error', resolve).once('exit', resolve));
server.on('error', ({ message }) => {
  end = message;
});
server.on('exit', (code, signal) => {
  end = code ?? signal;
});

const giveUpAt = performance.now() + limitMs;
let hasAnswered = false;
while (!hasAnswered && end === undefined && performance.now() < giveUpAt) {
  await sleep(pauseMs);
  hasAnswered = await answers(`http://127.0.0.1:${port}/v2/`);
}
server.kill(hasAnswered ? 'SIGTERM' : 'SIGKILL');
await ended;
rmSync(directory, { recursive: true, force: true });
if (!hasAnswered) console.error(`The server never answered at port ${port}; it ended with ${end}.`);
process.exitCode = hasAnswered && end === 0 ? 0 : 1;
