#!/usr/bin/env node
// Any Node of the last years can read this file: the check must come before newer syntax and before a native module
// loads (better-sqlite3 under Node 20 is a segmentation fault without a word).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

const needed = 24;
/** How often it is seen whether who started us is still there. Milliseconds. */
const watchMs = 500;
/** A parent that ends so soon after a SIGHUP has ended by it. Milliseconds. */
const hangUpMs = 2000;

/** The source in a checkout; in the npm package what was built of it, as Node strips no types under node_modules. */
function program() {
  const source = new URL('./main.ts', import.meta.url);
  return existsSync(source) ? source : new URL('../dist/main.js', import.meta.url);
}

/** The path of the Node that came as a dependency, or undefined. */
function ownNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/bin/node`);
  } catch {
    return undefined;
  }
}

/** @param {string} reason */
function giveUp(reason) {
  console.error(`ociregistry needs Node.js ${needed} or newer; this is ${process.version}, ${reason}.`);
  process.exit(1);
}

/**
 * The process whose end is ours. A launcher that is killed outright passes nothing on, and neither does the shell that
 * npx puts before us: it dies of SIGTERM and leaves us running. Whoever else started us may leave, also where npx has
 * started that one (its variables are inherited), or where the line for its shell is more than ourselves (`npx -c '… &'`).
 */
function keeper() {
  const {
    OCIREGISTRY_LAUNCHER: launcher,
    npm_lifecycle_event: event,
    npm_lifecycle_script: line = '',
  } = process.env;
  delete process.env.OCIREGISTRY_LAUNCHER;
  // A shell that knows no PPID leaves it empty.
  if (launcher) return Number(launcher);
  return event === 'npx' && /^['"]?ociregistry['"]?(?:\s[^&|;\n]*)?$/.test(line) ? process.ppid : undefined;
}

/**
 * Sends ourselves SIGTERM when our parent is another one: an orphan is given to init, or to a subreaper. But not where it was taken by
 * the end of a terminal that is none of ours: so it is below nohup, which no Node.js heeds, npm neither; and SIGHUP ends no server.
 * @param {number} parent
 */
function endWith(parent) {
  let hungUpAt = Number.NEGATIVE_INFINITY;
  if (process.argv.includes('serve') && !isatty(0)) {
    process.on('SIGHUP', () => {
      hungUpAt = performance.now();
    });
  }
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    if (performance.now() - hungUpAt > hangUpMs) process.kill(process.pid, 'SIGTERM');
  }, watchMs).unref();
}

/**
 * Stands in front of a child: passes signals on and ends as it ends.
 * @param {string} node
 */
function runUnder(node) {
  const self = fileURLToPath(import.meta.url);
  const child = spawn(node, [...process.execArgv, self, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, OCIREGISTRY_LAUNCHER: String(process.pid) },
  });
  child.on('error', (error) => giveUp(`and its own Node.js does not start (${error.message})`));
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both; a second one would mean "at once".
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => {
    // So the loader ends (ld.so has said what it misses); the program never does.
    if (code === 127)
      giveUp('and its own Node.js lacks a library: on Debian and Ubuntu "apt install libatomic1"');
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Still here: as process 1 of a container.
    process.exit(128 + constants.signals[signal]);
  });
}

const parent = keeper();
if (parent !== undefined) endWith(parent);

if (Number.parseInt(process.versions.node, 10) >= needed) {
  // Before the first source that has types: to strip it of them Node loads a compiler, which takes 17 MB of memory and 80 ms. What is in this
  // folder it need not strip, nor compile. One that cannot be written is no failure.
  module.enableCompileCache(fileURLToPath(new URL('../.cache/compile', import.meta.url)));
  await import(program().href);
} else {
  const node = ownNode();
  if (node === undefined) giveUp(`and the package node-${process.platform}-${process.arch} is not installed`);
  else runUnder(node);
}
