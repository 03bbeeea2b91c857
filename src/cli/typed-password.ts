import type { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';

/** Where a password comes from. */
export interface PasswordInput extends Readable {
  readonly isTTY?: boolean;
  readonly setRawMode?: (isRaw: boolean) => unknown;
}

interface Prompt {
  write(text: string): unknown;
}

const maxBytes = 4096;
const [interrupt, end, backspace, eraseLine] = ['\x03', '\x04', ['\x7f', '\b'], '\x15'];

/** Typed twice at a terminal, without being shown; else all of the input, without the end of its line. Throws an Error. */
export async function typedPassword(input: PasswordInput, prompt: Prompt): Promise<string> {
  if (input.isTTY !== true) return await wholeOf(input);
  const first = await hidden('Password: ', input, prompt);
  if (first !== (await hidden('Again: ', input, prompt))) throw new Error('the passwords are not the same');
  return first;
}

async function wholeOf(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk as Uint8Array | string);
    size += bytes.length;
    if (size > maxBytes) throw new Error(`the password is longer than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return textIn(Buffer.concat(chunks), utf8(), false).replace(/\r?\n$/, '');
}

/** Clients send passwords in UTF-8 (RFC 7617 section 2.1): what is none would be another password than was typed. */
function utf8(): TextDecoder {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
}

/** `stream`: the rest of a character may come with the next bytes. */
function textIn(bytes: Buffer | string, decoder: TextDecoder, stream: boolean): string {
  if (typeof bytes === 'string') return bytes;
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    throw new Error('the password is not UTF-8');
  }
}

async function hidden(text: string, input: PasswordInput, prompt: Prompt): Promise<string> {
  prompt.write(text);
  input.setRawMode?.(true);
  try {
    return await line(input);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    prompt.write('\n');
  }
}

/** As a terminal would read it that is not raw. */
async function line(input: PasswordInput): Promise<string> {
  const typed = Promise.withResolvers<string>();
  let characters: string[] = [];
  const decoder = utf8();
  const take = (chunk: Buffer | string): void => {
    let text = '';
    try {
      text = textIn(chunk, decoder, true);
    } catch (error) {
      typed.reject(error);
    }
    for (const character of text) {
      if (character === '\r' || character === '\n') typed.resolve(characters.join(''));
      else if (character === interrupt || character === end) typed.reject(new Error('nothing was done'));
      else if (backspace.includes(character)) characters.pop();
      else if (character === eraseLine) characters = [];
      else if (characters.length < maxBytes) characters.push(character);
    }
  };
  const over = (): void => typed.reject(new Error('nothing was done'));
  input.on('data', take).once('end', over).resume();
  try {
    return await typed.promise;
  } finally {
    input.off('data', take).off('end', over);
  }
}
