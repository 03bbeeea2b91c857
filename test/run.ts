import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { componentsOf, find, obstacle } from './setup/components.ts';
import { withFailedSuites } from './setup/failed-suites.ts';
import { grouped } from './setup/groups.ts';
import { installComponents } from './setup/install.ts';
import { SecretWatch } from './setup/secret-watch.ts';
import { withSkips } from './setup/skips.ts';

/**
 * `npm test`: all tests but the long ones, or `npm test -- GLOB…`; `--suite NAME` adds the programs that only its tests need. Tests against real programs are skipped where those are missing, with
 * CI=true that is a failure. TEST_SETUP=0 leaves the machine as it is.
 */
const [programs, units] = ['test/e2e/**/*.test.ts', 'test/unit/**/*.test.ts'];

/** Preloaded by each test file's process. */
const compileCache = new URL('./setup/compile-cache.js', import.meta.url).href;

/** Milliseconds; a test file that takes longer hangs. */
const fileLimit = 600_000;
const suiteFileLimit = 1_200_000;

const inCi = process.env['CI'] === 'true';

const {
  values: { suite },
  positionals,
} = parseArgs({ options: { suite: { type: 'string' } }, allowPositionals: true });
const wanted = componentsOf(suite);
const isLong = suite === 'long';

/**
 * How many files run at once. What runs against programs waits more than it works: so there is one more than processors, and it is begun
 * with. (`true` is one fewer than processors: with two, file after file.) The other suites have programs of which a machine runs one, and few files.
 */
const atOnce = suite === undefined || isLong ? availableParallelism() + 1 : 1;

/** What `npm run test:long` runs besides its own: whatever says how often by `repetitions.ts`, which it does as often as that says. */
function repeated(): string[] {
  return filesOf(programs, units).filter((file) =>
    readFileSync(file, 'utf8').includes('setup/repetitions.ts'),
  );
}

function prepare(): void {
  const missing = wanted.filter(({ name }) => find(name) === undefined);
  if (missing.length === 0) return;
  console.log('Missing programs that tests run against:');
  for (const { name, purpose } of missing) console.log(`  ${name} (${purpose})`);
  if (process.env['TEST_SETUP'] !== '0' && process.getuid?.() === 0 && find('apt-get') !== undefined)
    for (const failure of installComponents(wanted)) console.log(failure);
  else console.log(`They are installed by: npm run test:setup${suite === undefined ? '' : ` -- ${suite}`}`);
}

/** What a run in CI must not do without. */
function lacking(): string[] {
  return wanted.filter(({ required }) => required).flatMap((component) => obstacle(component) ?? []);
}

function filesOf(...globs: readonly string[]): string[] {
  return [...new Set(globs.flatMap((glob) => globSync(glob).sort()))];
}

async function runTests(files: readonly string[]): Promise<void> {
  if (files.length === 0) {
    console.error(`No test file matches ${positionals.join(' ')}`);
    process.exitCode = 1;
    return;
  }
  const events = run({
    files: [...files],
    concurrency: atOnce,
    timeout: suite === undefined ? fileLimit : suiteFileLimit,
    execArgv: ['--import', compileCache],
  });
  events.on('test:fail', () => {
    process.exitCode = 1;
  });
  const watch = new SecretWatch();
  await pipeline(events, withSkips, withFailedSuites, new spec(), watch, process.stdout, { end: false });
  if (watch.found === undefined) return;
  console.error(
    `A secret came out, among what the tests and the programs that they start print: …${watch.found}…`,
  );
  process.exitCode = 1;
}

process.chdir(`${import.meta.dirname}/..`);
prepare();
if (isLong) process.env['TEST_LONG'] = '1';
if (positionals.length > 0) await runTests(filesOf(...positionals));
else if (isLong) await runTests([...filesOf('test/long/*.test.ts'), ...repeated()]);
else {
  using groups = grouped(filesOf(units));
  await runTests([...filesOf(programs), ...groups.files]);
}
if (inCi && lacking().length > 0) {
  console.error(`CI=true, but ${lacking().join(', ')}.`);
  process.exitCode = 1;
}
