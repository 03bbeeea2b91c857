import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isUnanswered } from '#src/oci/no-answer.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { failing } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const v1 = parseTag('v1');

/** A client whose registry wants tokens, with images to pull. */
async function start(settings: Partial<UpstreamSettings> = {}) {
  await using stack = new AsyncDisposableStack();
  const tokens = stack.use(await FakeTokenServer.start());
  const made = stack.use(await UpstreamUnderTest.start(settings));
  made.spoil(tokens.fault);
  const opened = stack.move();
  return {
    made,
    tokens,
    async pull(path: string): Promise<void> {
      const name = made.upstream.repository(path);
      putImage(made.upstream.content, name, 'v1', []);
      await made.registry.getManifest(name, v1);
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

describe('a token server that fails', () => {
  it('because nobody listens is given a rest itself; whoever has a token goes on', async () => {
    await using test = await start();
    await test.pull('with/token');
    await test.tokens.close();
    await assert.rejects(test.pull('without/token'), { code: 'UNAVAILABLE', message: /connection refused/ });
    for (let time = 0; time < 3; time += 1) {
      await test.pull('with/token');
      await assert.rejects(test.pull(`without/${time}`), { status: 502, message: /asked again in \d s/ });
    }
    assert.deepEqual(test.made.oddities, ['upstream unavailable']);
  });

  it('by saying nothing is not taken for its registry, whose requests have more time', async () => {
    const clock = new FakeClock();
    await using test = await start({ clock });
    await test.pull('with/token');
    const [silence, asked] = [gate(), gate()];
    let waiting = 0;
    test.tokens.spoil(async (_, next) => {
      waiting += 1;
      if (waiting === 3) void asked.wait();
      await silence.wait();
      return await next();
    });
    const host = new URL(test.tokens.realm).host;
    const pulls = ['a', 'b', 'c'].map(async (path) => {
      await assert.rejects(test.pull(path), {
        status: 504,
        message: new RegExp(`^no answer from http://${host}`),
      });
    });
    await asked.reached;
    // A try of the registry ends before its token server has had its time; the next one waits for the same token.
    for (let passed = 0; passed < 15; passed += 1) await clock.advance(1000);
    await Promise.all(pulls);
    await assert.rejects(test.pull('a'), { status: 504, message: /asked again in 2 s/ });
    await test.pull('with/token');
    assert.deepEqual(test.made.oddities, ['upstream unavailable']);
    silence.open();
  });

  const breaks: Fault = () => {
    throw new Error('breaks off');
  };
  for (const [what, fault] of [
    ['by answering 500', failing(500)],
    ['by breaking off', breaks],
  ] as const) {
    it(`${what} is no answer of the registry’s on what was asked for`, async () => {
      await using test = await start();
      test.tokens.spoil(fault);
      await assert.rejects(test.pull('a'), isUnanswered);
    });

    it(`for one repository ${what} is asked for another`, async () => {
      await using test = await start();
      test.tokens.spoil(async (request, next) =>
        decodeURIComponent(request.query).includes('repository:bad/')
          ? await fault(request, next)
          : await next(),
      );
      for (let time = 0; time < 3; time += 1) {
        await assert.rejects(test.pull('bad/one'), { code: 'UNAVAILABLE', status: 502 });
        await assert.rejects(test.pull('bad/two'), { code: 'UNAVAILABLE', status: 502 });
        await test.pull(`good/${time}`);
      }
      assert.deepEqual(test.made.oddities, []);
    });
  }
});
