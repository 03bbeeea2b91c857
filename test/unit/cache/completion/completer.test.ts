import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Completer } from '#src/cache/completion/completer.ts';
import type { CompletionJob } from '#src/cache/completion/completion-job.ts';
import { tooMuchRead } from '#src/oci/busy.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { hostOf, type RegistryHost, type RepositoryName } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const busybox = repository('docker.io/library/busybox');
const node = repository('quay.io/prometheus/node');
const minute = 60_000;

function blob(repository: RepositoryName, seed: number, size = 10): CompletionJob {
  return { kind: 'blob', repository, reference: sha256(bytes(10, seed)), size };
}

const unavailable = new RegistryError('UNAVAILABLE');
const absent = new RegistryError('BLOB_UNKNOWN');

/** With time in the test's hand; `work` says what becomes of a job, and `asked` in which order they were tried. */
function completerUnderTest() {
  const clock = new FakeClock();
  const log = new LogLines();
  const asked: CompletionJob[] = [];
  const busy = new Set<RegistryHost>();
  const state = {
    work: async (_: CompletionJob, _signal: AbortSignal): Promise<readonly CompletionJob[]> => [],
  };
  const completer = new Completer({
    work: async (job, signal) => {
      asked.push(job);
      return await state.work(job, signal);
    },
    isBusy: (host) => busy.has(host),
    clock,
    log,
  });
  const pass = async (milliseconds: number, step = 250) => {
    for (let passed = 0; passed < milliseconds; passed += step) await clock.advance(step);
    await clock.advance(0);
  };
  return { completer, asked, busy, state, clock, log, pass };
}

/** Those that fail fail, and the others do not. */
function failing(failure: Error, ...jobs: readonly CompletionJob[]) {
  return async (job: CompletionJob) => {
    if (jobs.includes(job)) throw failure;
    return [];
  };
}

function waitingOf(completer: Completer): Record<string, number> {
  return Object.fromEntries([...completer.states()].map(({ host, waiting }) => [host, waiting]));
}

describe('what completes images', () => {
  it('keeps no registry waiting for another, nor small blobs for a large one', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    const never = gate();
    state.work = async ({ reference }) => {
      if (reference === blob(alpine, 1).reference) await never.wait();
      return [];
    };
    const large = blob(alpine, 1, 2 ** 30);
    for (const job of [large, blob(alpine, 2), blob(node, 3)]) completer.add(job);
    await pass(1000);
    assert.equal(asked.length, 3);
    assert.deepEqual(waitingOf(completer), { 'docker.io': 1 });
    await completer[Symbol.asyncDispose]();
    never.open();
  });

  it('does one thing at a time for a registry, and its repositories take turns', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    let running = 0;
    state.work = async () => {
      running += 1;
      assert.equal(running, 1);
      await Promise.resolve();
      running -= 1;
      return [];
    };
    for (const seed of [1, 2, 3]) completer.add(blob(alpine, seed));
    for (const seed of [4, 5, 6]) completer.add(blob(busybox, seed));
    await pass(1000);
    const turns = asked.map(({ repository }) => repository);
    assert.deepEqual(turns, [alpine, busybox, alpine, busybox, alpine, busybox]);
  });

  it('ends an attempt that takes too long, and goes on with the next', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const [stuck, next] = [blob(alpine, 1), blob(alpine, 2)];
    const signals: AbortSignal[] = [];
    state.work = async (job, signal) => {
      signals.push(signal);
      // Whoever does not heed the signal is not waited for.
      if (job === stuck) await new Promise(() => {});
      return [];
    };
    completer.add(stuck);
    completer.add(next);
    await pass(10 * minute, 10_000);
    assert.deepEqual(asked, [stuck]);
    await pass(15_000, 1000);
    assert.deepEqual(asked.slice(0, 2), [stuck, next]);
    assert.equal(signals[0]?.aborted, true);
  });

  it('puts what fails behind the others, later each time, and gives it up in the end', async () => {
    const { completer, asked, state, clock, pass } = completerUnderTest();
    await using _ = completer;
    const [bad, good] = [blob(alpine, 1), blob(alpine, 2)];
    const at: number[] = [];
    state.work = async (job) => {
      if (job === bad) at.push(clock.monotonic());
      return await failing(unavailable, bad)(job);
    };
    completer.add(bad);
    completer.add(good);
    await pass(100 * minute, 5000);
    assert.deepEqual(asked.slice(0, 2), [bad, good]);
    const pauses = at.slice(1).map((time, index) => Math.round((time - (at[index] ?? 0)) / 1000));
    assert.deepEqual(pauses.slice(0, 5), [30, 120, 300, 600, 600]);
    assert.equal(at.length, 12);
    assert.deepEqual(waitingOf(completer), {});
    assert.equal(completer.add(bad), true);
    await pass(10 * minute, 5000);
    assert.equal(at.length, 12);
  });

  it('takes up what was given up, when it is handed in again later', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const job = blob(alpine, 1);
    state.work = failing(absent, job);
    completer.add(job);
    await pass(1000);
    completer.add(job);
    await pass(60 * minute, minute);
    assert.equal(asked.length, 1);
    await pass(6 * 60 * minute, minute);
    state.work = async () => [];
    completer.add(job);
    await pass(1000);
    assert.equal(asked.length, 2);
  });

  it('tries a registry that fails now and then, holds it against no job, and goes on when it is well', async () => {
    const { completer, asked, state, log, pass } = completerUnderTest();
    await using _ = completer;
    const jobs = Array.from({ length: 20 }, (_, seed) => blob(alpine, seed));
    state.work = failing(unavailable, ...jobs);
    for (const job of jobs) completer.add(job);
    await pass(6 * 60 * minute, 5000);
    assert.ok(asked.length < 100, `${asked.length} attempts in six hours`);
    assert.deepEqual(waitingOf(completer), { 'docker.io': 20 });
    assert.equal(log.at('warn').length, 1);
    state.work = async () => [];
    await pass(6 * minute, 5000);
    assert.deepEqual(waitingOf(completer), {});
  });

  it('takes the no of upstream to one job for no fault of the registry', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const closed = Array.from({ length: 10 }, (_, seed) => blob(alpine, seed));
    state.work = failing(new RegistryError('DENIED'), ...closed);
    for (const job of [...closed, blob(busybox, 99)]) completer.add(job);
    await pass(1000);
    assert.equal(asked.length, 11);
  });

  it('takes what could not be read here for now for no fault of the registry', async () => {
    const { completer, asked, state, log, pass } = completerUnderTest();
    await using _ = completer;
    const jobs = [1, 2, 3, 4].map((seed) => blob(alpine, seed));
    state.work = failing(tooMuchRead(), ...jobs);
    for (const job of jobs) completer.add(job);
    await pass(5000);
    assert.equal(asked.length, jobs.length);
    assert.deepEqual(log.at('warn'), []);
    state.work = async () => [];
    await pass(minute);
    assert.deepEqual(waitingOf(completer), {});
  });

  it('leaves alone a registry that limits us, for as long as it says and not for ever, and no other', async () => {
    const { completer, asked, pass } = completerUnderTest();
    await using _ = completer;
    const refusal = new RegistryError('TOOMANYREQUESTS', undefined, { headers: { 'Retry-After': '9e9' } });
    completer.noteFailure(hostOf(alpine), refusal);
    completer.add(blob(alpine, 1));
    completer.add(blob(node, 2));
    await pass(minute);
    assert.deepEqual(asked, [blob(node, 2)]);
    await pass(6 * 60 * minute, minute);
    assert.equal(asked.length, 2);
  });

  it('waits for the clients of its own registry, but does little by little what they leave no time for', async () => {
    const { completer, asked, busy, pass } = completerUnderTest();
    await using _ = completer;
    busy.add(hostOf(alpine));
    for (const seed of [1, 2, 3]) completer.add(blob(alpine, seed));
    completer.add(blob(node, 4));
    await pass(20_000);
    assert.deepEqual(asked, [blob(node, 4)]);
    await pass(40_000);
    assert.equal(asked.length, 3);
    busy.clear();
    await pass(1000);
    assert.equal(asked.length, 4);
  });

  it('ends the attempt that has gone on longest where places are few and others wait', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const ended: string[] = [];
    state.work = async ({ repository }, signal) => {
      if (repository === node) return [];
      return await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended.push(hostOf(repository));
          reject(signal.reason);
        });
      });
    };
    for (let at = 0; at < 16; at += 1)
      completer.add(blob(repository(`slow${at}.example.com/app`), at, 2 ** 40));
    await pass(1000);
    completer.add(blob(node, 99));
    await pass(9 * minute, 1000);
    assert.equal(asked.length, 16);
    await pass(2 * minute, 1000);
    assert.deepEqual(asked.slice(16, 17), [blob(node, 99)]);
    assert.deepEqual(ended, ['slow0.example.com']);
  });

  it('takes no more of a registry than it has room for, and of another all the same', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const refusal = new RegistryError('TOOMANYREQUESTS', undefined, { headers: { 'Retry-After': '7200' } });
    completer.noteFailure(hostOf(alpine), refusal);
    const jobs = Array.from({ length: 2001 }, (_, seed) => blob(alpine, seed));
    const taken = jobs.map((job) => completer.add(job));
    assert.deepEqual([taken.indexOf(false), taken.length], [2000, 2001]);
    assert.equal(completer.add(blob(alpine, 1)), true);
    completer.once(blob(alpine, 5000));
    completer.add(blob(node, 1));
    await pass(1000);
    assert.equal(asked.length, 1);
    state.work = async () => [];
    await pass(130 * minute, minute);
    completer.once(blob(alpine, 5000));
    completer.once(blob(alpine, 5000));
    await pass(1000);
    assert.equal(asked.filter(({ reference }) => reference === blob(alpine, 5000).reference).length, 1);
  });

  it('drops what waits for registries that do not answer where there is no room for others', async () => {
    const { completer, state, pass } = completerUnderTest();
    await using _ = completer;
    state.work = async ({ repository }) => {
      if (repository === node) return [];
      throw unavailable;
    };
    for (let at = 0; at < 10; at += 1) {
      const evil = repository(`evil${at}.example.com/app`);
      for (let seed = 0; seed < 2000; seed += 1) completer.add(blob(evil, seed));
    }
    assert.equal(completer.add(blob(node, 1)), false);
    await pass(5000);
    assert.equal(completer.add(blob(node, 1)), true);
  });

  it('does what comes of a job, and the job again where there was no room for all of that', async () => {
    const { completer, asked, state, pass } = completerUnderTest();
    await using _ = completer;
    const refusal = new RegistryError('TOOMANYREQUESTS', undefined, { headers: { 'Retry-After': '30' } });
    completer.noteFailure(hostOf(alpine), refusal);
    const image: CompletionJob = { kind: 'blobs', repository: alpine, reference: sha256(bytes(1)) };
    const blobs = Array.from({ length: 2100 }, (_, seed) => blob(alpine, seed));
    state.work = async (job) => (job === image ? blobs.filter((each) => !asked.includes(each)) : []);
    completer.add(image);
    await pass(2000);
    assert.deepEqual(asked, [image]);
    await pass(2 * minute, 1000);
    assert.equal(new Set(asked).size, 2101);
  });

  it('says how long the oldest has waited of each registry', async () => {
    const { completer, pass } = completerUnderTest();
    await using _ = completer;
    completer.noteFailure(hostOf(alpine), new RegistryError('TOOMANYREQUESTS'));
    completer.add(blob(alpine, 1));
    await pass(10_000);
    completer.add(blob(alpine, 2));
    assert.deepEqual([...completer.states()], [{ host: hostOf(alpine), waiting: 2, oldestMs: 10_000 }]);
  });

  it('leaves nothing behind when it is ended in the middle', async () => {
    const { completer, state, clock, pass } = completerUnderTest();
    state.work = async (_, signal) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return [];
    };
    completer.add(blob(alpine, 1));
    completer.add(blob(alpine, 2));
    await pass(1000);
    await completer[Symbol.asyncDispose]();
    assert.equal(clock.sleeping, 0);
    assert.equal(completer.add(blob(alpine, 3)), false);
  });
});
