import { readVersion } from '../version.ts';
import { runProgram } from './program.ts';
import { serve } from './serve.ts';

/** Runs the program with this process's streams; the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process;
  const version = readVersion(env);
  return await runProgram(argv, {
    stdout,
    stderr,
    env,
    version,
    doctor: async (loaded, order) => {
      // Not before it is asked for: the server's start would be slower by it.
      const { doctor } = await import('./doctor.ts');
      return await doctor(loaded, order, { version: version.version, env, stdout });
    },
    serve: async (loaded) =>
      await serve(loaded, { version: version.version, argv: ['ociregistry', ...argv], stderr }),
  });
}
