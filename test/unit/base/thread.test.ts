import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, enableCompileCache } from 'node:module';
import { it } from 'node:test';
import { startThread } from '#src/base/thread.ts';
import { temporaryDirectory } from '#test/e2e/support/temporary-directory.ts';

const fakes = { ...import.meta, url: new URL('../../fakes/', import.meta.url).href };

/** Did the thread load the compiler that strips sources of their types? */
async function loadsCompiler(): Promise<unknown> {
  const thread = startThread(fakes, 'compiler-thread', { limits: {} });
  const [answer] = await once(thread, 'message');
  await thread.terminate();
  return answer;
}

it('a thread has the compile cache of the process: its source is stripped of types once, and not in each thread', async () => {
  await using directory = await temporaryDirectory();
  const { status } = enableCompileCache(directory.path);
  const first = await loadsCompiler();
  // Where the process has a cache already, an earlier one may have left it there.
  if (status === constants.compileCacheStatus.ENABLED) assert.equal(first, true);
  assert.equal(await loadsCompiler(), false);
});
