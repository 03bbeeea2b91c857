import { rangeOf } from './cold-blobs.ts';

/** Requests that go out side by side; the next ones when all of them are answered. */
type Batch = readonly string[];

/** How a client that need not have the whole of a blob asks for it: by ranges, in this order. */
export interface LazyPuller {
  readonly name: string;
  batches(size: number): readonly Batch[];
}

const mebibyte = 1024 * 1024;

/**
 * stargz-snapshotter (commit 7cf47cb). fs/remote/resolver.go: the redirect is asked for by two bytes, whatever is read is widened to
 * chunks of 50,000 bytes, and chunks that are apart go in one request. estargz/estargz.go Open: the footer of 51 bytes, then the TOC
 * before it; fs/layer/layer.go: the prefetched landmark from the first byte on, files as they are opened, and the whole layer in the background.
 */
const stargz: LazyPuller = {
  name: 'eStargz',
  batches(size) {
    const chunk = 50_000;
    const widened = (first: number, length: number): string => {
      const last = Math.ceil((first + length) / chunk) * chunk - 1;
      return `${Math.floor(first / chunk) * chunk}-${Math.min(last, size - 1)}`;
    };
    const files = [0.7, 0.3, 0.9, 0.55].map((at) => widened(Math.floor(size * at), 130_000));
    const [one = '', other = '', ...rest] = files;
    const background = Array.from(
      { length: Math.ceil(size / (4 * mebibyte)) },
      (_, at) => `bytes=${widened(at * 4 * mebibyte, Math.min(4 * mebibyte, size - at * 4 * mebibyte))}`,
    );
    return [
      ['bytes=0-1'],
      ['bytes=-51'],
      [`bytes=${widened(size - 51, 51)}`],
      [`bytes=${widened(size - 400_000, 399_949)}`],
      [`bytes=${widened(0, mebibyte)}`, `bytes=${one},${other}`, ...rest.map((range) => `bytes=${range}`)],
      ...background.map((range) => [range]),
    ];
  },
};

/**
 * soci-snapshotter (commit 77fb426). soci/soci_index.go: spans of 4 MiB; fs/span-manager/span_manager.go: each by a range of its own, those
 * of one read side by side, in the order in which files are opened; one after the other in the background.
 */
const soci: LazyPuller = {
  name: 'SOCI',
  batches(size) {
    const span = 4 * mebibyte;
    const all = Array.from({ length: Math.ceil(size / span) }, (_, at) =>
      rangeOf(at * span, Math.min(size, (at + 1) * span) - 1),
    );
    const odd = all.filter((_, at) => at % 2 === 1).toReversed();
    return [['bytes=0-0'], odd, ...all.map((range) => [range])];
  },
};

/**
 * nydusd (dragonflyoss/nydus, commit 34e6071). storage/src/backend/registry.rs: closed ranges; storage/src/meta/toc.rs: the header of 512
 * bytes at the end, the table of contents before it; api/src/config.rs: reads are widened to 1 MiB, and so are those of eight threads that
 * fetch the rest.
 */
const nydus: LazyPuller = {
  name: 'Nydus',
  batches(size) {
    const threads = 8;
    const all = Array.from({ length: Math.ceil(size / mebibyte) }, (_, at) =>
      rangeOf(at * mebibyte, Math.min(size, (at + 1) * mebibyte) - 1),
    );
    const files = [0.8, 0.2, 0.5].map((at) => all[Math.floor(all.length * at)] ?? 'bytes=0-0');
    const rounds = Array.from({ length: Math.ceil(all.length / threads) }, (_, at) =>
      all.slice(at * threads, (at + 1) * threads),
    );
    return [
      [rangeOf(size - 512, size - 1)],
      [rangeOf(size - 4096, size - 513)],
      [rangeOf(size - 4096 - 200_000, size - 4097)],
      files,
      ...rounds,
    ];
  },
};

/**
 * containerd 2 (core/remotes/docker/fetcher.go) with `concurrent_layer_fetch_buffer`: each piece is asked for without an end, `bytes=N-`,
 * and its client leaves when it has the piece: here as if it knew where.
 */
const pieces: LazyPuller = {
  name: 'parallel pieces',
  batches(size) {
    const piece = 3 * mebibyte;
    const all = Array.from({ length: Math.ceil(size / piece) }, (_, at) =>
      rangeOf(at * piece, Math.min(size, (at + 1) * piece) - 1),
    );
    return [all.slice(0, 4), all.slice(4, 8), all.slice(8)].filter((batch) => batch.length > 0);
  },
};

export const lazyPullers: readonly LazyPuller[] = [stargz, soci, nydus, pieces];
