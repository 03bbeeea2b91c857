import { hexOf } from '../oci/digest.ts';
import { isIndex } from '../oci/manifest.ts';
import { hostOf, imageText, shownHost, shownName, type Tag } from '../oci/reference.ts';
import type { ImageRecord } from '../storage/records.ts';
import { localTime } from '../values/local-time.ts';

/** A name of an image in a list. */
export interface ImageRow {
  readonly image: ImageRecord;
  /** Undefined: nothing but its digest leads to it. */
  readonly tag: Tag | undefined;
}

/** Digits of a short digest, as the original has them. */
const shortDigits = 10;
const heading = ['IMAGE', 'TAG/DIGEST', 'TYPE', 'CREATED', 'PULLED', 'SIZE(MB)'];
const moreHeading = ['UPSTREAM', 'PINNED', 'FREES(MB)', 'MISSING'];

/** How a table is written. */
export interface TableForm {
  readonly header: boolean;
  readonly shortDigest: boolean;
  /** With the columns that the original has not. */
  readonly wide: boolean;
}

/** A row for each name that matches: `repository:tag`, or `repository@digest` where no tag leads to it. */
export function rowsOf(image: ImageRecord, matches: (name: string) => boolean): ImageRow[] {
  const { tags } = image;
  const rows = tags.length === 0 ? [{ image, tag: undefined }] : tags.map((tag) => ({ image, tag }));
  return rows.filter((row) => matches(nameOf(row)));
}

function nameOf({ image: { repository, descriptor }, tag }: ImageRow): string {
  return imageText({ repository, reference: tag ?? descriptor.digest });
}

/** The original's columns, and more behind them; as wide as these rows need. */
export function tableOf(rows: readonly ImageRow[], { header, shortDigest, wide }: TableForm): string {
  const titles = wide ? [...heading, ...moreHeading] : heading;
  const lines = rows.map((row) => [...cellsOf(row, shortDigest), ...(wide ? moreCellsOf(row) : [])]);
  if (header) lines.unshift(titles);
  const widths = titles.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)));
  return lines.map((cells) => `${padded(cells, widths).trimEnd()}\n`).join('');
}

function padded(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' ');
}

function cellsOf({ image, tag }: ImageRow, shortDigest: boolean): string[] {
  const { repository, descriptor, createdAt, usedAt, totalSize } = image;
  const hex = hexOf(descriptor.digest);
  return [
    shownName(repository),
    tag ?? (shortDigest ? hex.slice(0, shortDigits) : hex),
    isIndex(descriptor.mediaType) ? 'list' : 'image',
    localTime(createdAt),
    localTime(usedAt),
    totalSize === 0 ? 'n/a' : (totalSize / 1_000_000).toFixed(1),
  ];
}

/** What removing it would free is not said where that takes too long to find out. */
function moreCellsOf(row: ImageRow): string[] {
  const { repository, frees, missing } = row.image;
  return [
    shownHost(hostOf(repository)),
    isPinned(row) ? 'yes' : 'no',
    frees === undefined ? 'n/a' : (frees / 1_000_000).toFixed(1),
    String(missing),
  ];
}

function isPinned({ image, tag }: ImageRow): boolean {
  return tag !== undefined && image.pinned.has(tag);
}

/** The same and what else is known, for programs; sizes in bytes. */
export function objectOf(row: ImageRow): object {
  const { repository, descriptor, totalSize, frees, missing, origin, createdAt, usedAt } = row.image;
  const { digest, mediaType } = descriptor;
  return {
    ...{ name: nameOf(row), repository: shownName(repository), tag: row.tag, digest, mediaType },
    type: isIndex(mediaType) ? 'list' : 'image',
    upstream: shownHost(hostOf(repository)),
    createdAt: new Date(createdAt).toISOString(),
    usedAt: new Date(usedAt).toISOString(),
    size: totalSize,
    ...{ frees, pinned: isPinned(row), missingBlobs: missing, origin },
  };
}
