import { flushCompileCache } from 'node:module';
import { setUpV8 } from '../process/v8-settings.ts';
import { readVersion } from '../process/version.ts';
import { ProcessSignals } from './process-signals.ts';
import { runProgram } from './program.ts';
import { hasColours, terminalOf } from './terminal.ts';

/** Runs the program with this process's streams; the exit code. Each command loads what it needs when it is asked for. */
export async function main(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process;
  for (const output of [stdout, stderr]) output.on('error', unlessNobodyReads);
  const version = readVersion();
  const signals = new ProcessSignals();
  const tellIfNothing = async (imagePath: string): Promise<void> => {
    const { nothingCached } = await import('../app/nothing-cached.ts');
    const nothing = nothingCached(imagePath);
    if (nothing !== undefined) stderr.write(`${nothing}\n`);
  };
  return await runProgram(argv, {
    stdout,
    stderr,
    env,
    version,
    hearSignals: () => signals.listen(),
    doctor: async (loaded, order) => {
      const { doctor } = await import('./doctor.ts');
      return await doctor(loaded, order, { version: version.version, env, stdout });
    },
    explainAccess: async ({ config }, order) => {
      const { explain } = await import('./explain-access.ts');
      return explain(config, order, stdout);
    },
    load: async (loaded, order) => {
      const { load } = await import('./load.ts');
      return await load(loaded, order, {
        ...{ version: version.version, env, stdin: process.stdin, stdout, stderr },
        ...{ terminal: terminalOf(stderr, env), isColoured: hasColours(stdout, env) },
      });
    },
    verify: async (loaded, order) => {
      const { verify } = await import('./verify.ts');
      return await verify(loaded, order, { version: version.version, env, stdout, stderr });
    },
    export: async (loaded, command) => {
      const { exportCommand } = await import('./export.ts');
      const { stdin } = process;
      return await exportCommand(loaded, command, { version: version.version, env, stdin, stdout, stderr });
    },
    import: async (loaded, command) => {
      const { importCommand } = await import('./import.ts');
      return await importCommand(loaded, command, { version: version.version, env, stdout, stderr });
    },
    list: async ({ config }, order) => {
      const { list } = await import('./list.ts');
      await tellIfNothing(config.imagePath);
      await list(config.imagePath, order, stdout);
    },
    prune: async (loaded, order) => {
      const { prune } = await import('./prune.ts');
      await tellIfNothing(loaded.config.imagePath);
      await prune(loaded, order, stdout);
    },
    pin: async ({ config }, order) => {
      const { pin } = await import('./pin.ts');
      await tellIfNothing(config.imagePath);
      return await pin(config.imagePath, order, { stdout, stderr });
    },
    refresh: async (loaded, order) => {
      const { refresh } = await import('./refresh.ts');
      return await refresh(loaded, order, { version: version.version, env, stdout, stderr });
    },
    wanted: async ({ config }, order) => {
      const { wanted } = await import('./wanted.ts');
      await tellIfNothing(config.imagePath);
      await wanted(config.imagePath, order, stdout);
    },
    htpasswd: async (order) => {
      const { htpasswd } = await import('./htpasswd.ts');
      await htpasswd(order, { stdin: process.stdin, stdout, stderr });
    },
    preflight: async (loaded, tryPorts) => {
      const { preflight } = await import('../app/preflight/preflight.ts');
      return await preflight(loaded, { env, tryPorts });
    },
    announce: async ({ logLevel, logFormat }, text) => {
      try {
        const { openLogger } = await import('../observe/logger.ts');
        const { announce } = await openLogger({ level: logLevel, format: logFormat, file: undefined });
        announce.error({}, text);
      } catch {
        stderr.write(`${text}\n`);
      }
    },
    serve: async (loaded, start) => {
      const { serve } = await import('./serve.ts');
      // What Node has read of it stays in memory else, some ten megabytes.
      flushCompileCache();
      setUpV8();
      return await serve(loaded, {
        version: version.version,
        argv: ['ociregistry', ...argv],
        stderr,
        signals,
        start,
      });
    },
  });
}

/** Who reads it may have had enough, as in `… | head`. */
function unlessNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
