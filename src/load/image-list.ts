import { LoadError } from './load-error.ts';

/** Something that names an image, and where it stands: `images.txt:3`. */
export interface ListedImage {
  readonly text: string;
  readonly at: string;
}

/** Of as many images as are loaded in one go. Characters. */
const maxList = 32 * 1024 * 1024;

/** One image a line; empty lines and what stands behind `#` say nothing. One at a time: a list may have nothing but lines. Throws LoadError. */
export function* imagesInList(text: string, file: string): Generator<ListedImage> {
  if (text.length > maxList)
    throw new LoadError(`${JSON.stringify(file)} is larger than ${maxList} characters, which is no list`);
  let line = 1;
  for (let at = text.startsWith('\uFEFF') ? 1 : 0; at < text.length; line += 1) {
    const end = text.indexOf('\n', at);
    const next = end === -1 ? text.length : end;
    const name = end === at ? '' : nameIn(text.slice(at, next));
    if (name !== '') yield { text: name, at: `${file}:${line}` };
    at = next + 1;
  }
}

function nameIn(line: string): string {
  return line.replace(/(?:^|\s)#.*/s, '').trim();
}
