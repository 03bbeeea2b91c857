import { parentPort } from 'node:worker_threads';

/** What Node has loaded of its own. Its types lack it. */
const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };

// Says whether it took a compiler to strip this of its types.
const hasCompiler: boolean = moduleLoadList.some((name) => name.includes('amaro'));
parentPort?.postMessage(hasCompiler);
