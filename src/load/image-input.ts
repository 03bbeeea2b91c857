import { stat } from 'node:fs/promises';
import { openShellPipe, readBoundedFile } from '../base/bounded-file.ts';
import { type FileKind, headBytes, kindOfHead } from './file-kind.ts';
import { kindOf } from './image-files.ts';
import { unreadable } from './load-error.ts';
import { sniffed } from './sniffed-bytes.ts';

/** A file of images. */
export interface ImageInput {
  readonly name: string;
  readonly kind: FileKind;
  /** Of what comes from a pipe: all of it, to be read once. Absent: it is in the file of that name. */
  readonly bytes?: AsyncIterable<Uint8Array>;
  /** Of a file, when it was looked at. */
  readonly size?: number;
}

/** A file by its name; `-` is `stdin`. Of a pipe that has no name its beginning is read, of one that has a name nothing. */
export async function inputOf(name: string, stdin: AsyncIterable<Uint8Array>): Promise<ImageInput> {
  if (name === '-') return await piped(name, stdin);
  const found = await stat(name).catch(() => undefined);
  const pipe = found?.isFIFO() === true ? await openShellPipe(name) : undefined;
  if (pipe !== undefined) return await piped(name, pipe.createReadStream());
  return { name, kind: await kindOf(name), ...(found?.isFile() === true && { size: found.size }) };
}

async function piped(name: string, input: AsyncIterable<Uint8Array>): Promise<ImageInput> {
  try {
    const { head, bytes } = await sniffed(input, headBytes);
    return { name, kind: kindOfHead(head), bytes };
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** What is text, whole, of at most so many bytes; each piece is all that its buffer has. Throws LoadError. */
export async function textOf({ name, bytes }: ImageInput, maxBytes: number): Promise<Uint8Array[]> {
  try {
    if (bytes !== undefined) return await allOf(bytes, maxBytes);
    return [Uint8Array.from(await readBoundedFile(name, maxBytes))];
  } catch (error) {
    throw unreadable(name, error);
  }
}

async function allOf(bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    chunks.push(Uint8Array.from(chunk));
    size += chunk.length;
    if (size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
  }
  return chunks;
}
