import type { Chunk } from './bundle-list.ts';

/** Where a bundle is written. Nothing of it has its name before it is whole; disposed of before, nothing is left of it. */
export interface BundleSink extends AsyncDisposable {
  /** Can it take back a file that turns out to be wrong at its end? Else whoever writes looks first. */
  readonly takesBack: boolean;
  /** The tar that the last file went into, counted from 1. */
  readonly chunk: number;
  /** The tars so far; none where it is a folder. */
  readonly chunks: readonly Chunk[];
  /** Adds a file of so many bytes. Throws what the body throws, and the file is not in it then; throws too where it cannot be written, which is the end of it. */
  add(path: string, size: number, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /** All is in it: makes it survive a power cut and gives it its name, with its list beside it where it is a file. */
  finish(list: (chunks: readonly Chunk[]) => Iterable<string>): Promise<void>;
}

/** The bytes of a body as they come. Throws where there are more or fewer than were said. */
export async function* exactly(
  path: string,
  size: number,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of body) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) throw new Error(`${path} has not the ${size} bytes that it should have`);
}
