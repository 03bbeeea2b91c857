// To be imported before a program: says behind it whether it took a compiler to strip sources of their types.
import { isMainThread } from 'node:worker_threads';

const hasCompiler = () => process.moduleLoadList.some((name) => name.includes('amaro'));
if (isMainThread) process.on('exit', () => console.log(`compiler: ${hasCompiler()}`));
