import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Problem } from '../../config/problem.ts';
import type { Config } from '../../config/schema.ts';
import { layoutVersion } from '../store.ts';
import { kernelFileSystem } from './kernel-file-system.ts';

/** Can the cache's directory be written to, or made? It is not made here. */
export async function imagePathProblems({ imagePath }: Config): Promise<Problem[]> {
  const reason = await whyNoDirectory(resolve(join(imagePath, layoutVersion)));
  if (reason === undefined) return [];
  return [{ path: ['imagePath'], message: `unable to verify image path: ${reason}`, at: 'value' }];
}

/** Can the log be appended to? It is not begun here. */
export async function logFileProblems({ logFile }: Config): Promise<Problem[]> {
  if (logFile === '') return [];
  const reason = await whyNoFile(resolve(logFile));
  return reason === undefined ? [] : [{ path: ['logFile'], message: reason, at: 'value' }];
}

/** Are the directories of files there, to be read? */
export async function servedDirectoryProblems({ listeners }: Config): Promise<Problem[]> {
  const found = listeners.map(async ({ directory }, index): Promise<Problem[]> => {
    const reason = directory === '' ? undefined : await whyNotRead(resolve(directory));
    if (reason === undefined) return [];
    return [{ path: ['listeners', index, 'directory'], message: reason, at: 'value' }];
  });
  return (await Promise.all(found)).flat();
}

async function whyNotRead(path: string): Promise<string | undefined> {
  const found = await look(path);
  if (typeof found === 'string' || !found.isDirectory()) return `${JSON.stringify(path)} is not a directory`;
  const mayRead = await access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return mayRead ? undefined : `${JSON.stringify(path)} may not be read by this user`;
}

async function whyNoFile(path: string): Promise<string | undefined> {
  const found = await look(path);
  if (found === 'missing') {
    const folder = await look(dirname(path));
    if (folder === 'missing') return `there is no directory ${JSON.stringify(dirname(path))}`;
    return await whyNoDirectory(dirname(path));
  }
  if (typeof found !== 'string' && found.isDirectory()) return `${JSON.stringify(path)} is a directory`;
  if (typeof found !== 'string' && found.isSocket()) return `${JSON.stringify(path)} is a socket`;
  return await whyNoAccess(path, constants.W_OK);
}

/** Of the first directory on the way up that is there: in it the others will be made. */
async function whyNoDirectory(path: string): Promise<string | undefined> {
  const found = await look(path);
  if (found === 'missing' && dirname(path) !== path) return await whyNoDirectory(dirname(path));
  if (typeof found === 'string' || !found.isDirectory()) return `${JSON.stringify(path)} is not a directory`;
  return (await whyNoAccess(path, constants.W_OK | constants.X_OK)) ?? (await whyNoRoom(path));
}

async function whyNoRoom(path: string): Promise<string | undefined> {
  const kernel = await kernelFileSystem(path);
  return kernel && `${JSON.stringify(path)} lies on ${kernel}, which keeps no files`;
}

async function look(path: string): Promise<Awaited<ReturnType<typeof stat>> | 'missing' | 'in the way'> {
  try {
    return await stat(path);
  } catch (error) {
    // Above a file there is nothing; the file itself is found on the way up.
    return ['ENOENT', 'ENOTDIR'].includes(codeOf(error)) ? 'missing' : 'in the way';
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'may not be written to by this user',
  EPERM: 'may not be written to by this user',
  EROFS: 'lies on a file system that is mounted for reading only',
};

async function whyNoAccess(path: string, mode: number): Promise<string | undefined> {
  try {
    await access(path, mode);
    return undefined;
  } catch (error) {
    return `${JSON.stringify(path)} ${reasons[codeOf(error)] ?? `cannot be used (${codeOf(error)})`}`;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
