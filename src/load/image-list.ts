/** Something that names an image, and where it stands: `images.txt:3`. */
export interface ListedImage {
  readonly text: string;
  readonly at: string;
}

/** One image a line; empty lines and what stands behind `#` say nothing. */
export function imagesInList(text: string, file: string): ListedImage[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, index) => ({ text: line.replace(/(^|\s)#.*$/, '').trim(), at: `${file}:${index + 1}` }))
    .filter((listed) => listed.text !== '');
}
