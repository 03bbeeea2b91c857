import type { Stats } from 'node:fs';
import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { readBoundedFile } from '../base/bounded-file.ts';
import { isUserName, readHtpasswd } from '../door/identity/htpasswd.ts';
import { type HashAlgorithm, newHash } from '../door/identity/new-hash.ts';

const maxBytes = 1024 * 1024;

/** A line of a password file. Throws an Error. */
export async function htpasswdLine(
  user: string,
  password: string,
  algorithm: HashAlgorithm,
): Promise<string> {
  if (!isUserName(user)) throw new Error(`${JSON.stringify(user)} is no name of a user`);
  return `${user}:${await newHash(password, algorithm)}`;
}

/**
 * Puts the line into the file in the place of the user's, or at its end; all else of it stays, and so do its owner, group and mode. The file is never seen half written, and two at a time do not
 * undo each other. Throws an Error.
 */
export async function putHtpasswdLine(path: string, line: string): Promise<'added' | 'replaced'> {
  const file = await realpath(path).catch(() => path);
  const before = await stat(file).catch(() => undefined);
  const beside = `${file}.new`;
  const handle = await begun(beside);
  try {
    await keepOwner(handle, file, before);
    await handle.chmod(before === undefined ? 0o600 : before.mode & 0o777);
    const { text, what } = withLine(await textOf(file), line);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    // What could not be used afterwards does not get there.
    await readHtpasswd(beside);
    await rename(beside, file);
    return what;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(beside).catch(() => undefined);
    throw error;
  }
}

/** The server may be another user than who calls this, and has to read it. Before the mode, which lets others in. */
async function keepOwner(handle: FileHandle, path: string, before: Stats | undefined): Promise<void> {
  const { uid, gid } = await handle.stat();
  if (before === undefined || (before.uid === uid && before.gid === gid)) return;
  try {
    await handle.chown(before.uid, before.gid);
  } catch (cause) {
    const owner = `${before.uid}:${before.gid}`;
    throw new Error(
      `${path} cannot be written anew as ${owner}, whose it is: call this as root, or as that user`,
      {
        cause,
      },
    );
  }
}

async function begun(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
    throw new Error(
      `${path} is there: another command writes it, or has been killed, and then it is to be removed`,
      {
        cause,
      },
    );
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readBoundedFile(file, maxBytes)).toString('utf8');
  } catch (error) {
    if (error instanceof Error && error.message === 'no such file') return '';
    throw error;
  }
}

function withLine(before: string, line: string): { text: string; what: 'added' | 'replaced' } {
  const begin = line.slice(0, line.indexOf(':') + 1);
  const lines = before.split('\n');
  const at = lines.findIndex((each) => each.trimStart().startsWith(begin));
  if (at >= 0) return { text: lines.with(at, line).join('\n'), what: 'replaced' };
  const end = before === '' || before.endsWith('\n') ? '' : '\n';
  return { text: `${before}${end}${line}\n`, what: 'added' };
}
