import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';

/** What stands in a tar: bytes, text, JSON of an object, or a link. */
export type TarContent = Uint8Array | string | object | { readonly link: string };

/** A tar of these files in this order. */
export async function tarOf(
  files: readonly (readonly [path: string, content: TarContent])[],
): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of files) {
    if (isLink(content)) {
      const header: Partial<Header> & { name: string } = { name, type: 'symlink', linkname: content.link };
      tar.entry(header);
    } else tar.entry({ name }, bytesOf(content));
  }
  tar.finalize();
  return await buffer(tar as AsyncIterable<Uint8Array>);
}

function isLink(content: TarContent): content is { readonly link: string } {
  return typeof content === 'object' && 'link' in content;
}

function bytesOf(content: TarContent): Buffer {
  if (content instanceof Uint8Array) return Buffer.from(content);
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
}
