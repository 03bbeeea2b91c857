type Environment = Record<string, string | undefined>;

/** Threads of libuv, by its own default and by ours; who may take how many is in docs/decisions/0016. */
const defaultThreads = 4;
const ourThreads = 8;

/** Before anything asks for a file: libuv looks once. What the operator has set stays. */
export function setUpThreadPool(env: Environment): void {
  env['UV_THREADPOOL_SIZE'] ??= String(ourThreads);
}

/** Lookups of names that may hold a thread. libuv gives half of all threads to such work; one of these is left to who is not asked here. */
export function lookupThreads(env: Environment): number {
  const said = env['UV_THREADPOOL_SIZE'];
  const threads = said === undefined ? defaultThreads : Number.parseInt(said, 10) || 1;
  return Math.max(1, Math.ceil(threads / 2) - 1);
}
