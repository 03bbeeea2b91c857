import { getCompileCacheDir } from 'node:module';
import { dirname, extname } from 'node:path';
import { type ResourceLimits, Worker } from 'node:worker_threads';

interface ThreadSettings {
  /** What it may take of V8's memory. */
  readonly limits: ResourceLimits;
  /** Handed to its program. */
  readonly data?: unknown;
}

/**
 * Starts a program in a thread of its own: the file of that name beside the module, the source in a checkout, else what was built of it. Throws where
 * the system gives no thread.
 */
export function startThread(module: ImportMeta, name: string, { limits, data }: ThreadSettings): Worker {
  const program = new URL(`${name}${extname(module.filename)}`, module.url);
  return new Worker(program, { resourceLimits: limits, workerData: data, execArgv: [], env: environment() });
}

/**
 * The compile cache of the process. Without it each thread loads a compiler that strips its source of types: 17 MB of memory for as long as it runs, and
 * 75 ms (docs/decisions/0010).
 */
function environment(): Record<string, string> {
  const ofTheseFlags = getCompileCacheDir();
  return ofTheseFlags === undefined ? {} : { NODE_COMPILE_CACHE: dirname(ofTheseFlags) };
}
