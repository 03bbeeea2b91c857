import { hexOf } from '../oci/digest.ts';
import { isIndex } from '../oci/manifest.ts';
import { hostOf } from '../oci/reference.ts';
import type { ImageRecord } from '../storage/records.ts';

/** A name of an image in a list. */
export interface ImageRow {
  readonly image: ImageRecord;
  /** Undefined: nothing but its digest leads to it. */
  readonly tag: string | undefined;
}

/** Digits of a short digest, as the original has them. */
const shortDigits = 10;
const heading = ['IMAGE', 'TAG/DIGEST', 'TYPE', 'CREATED', 'PULLED', 'SIZE(MB)'];

/** A row for each name that matches: `repository:tag`, or `repository@digest` where no tag leads to it. */
export function rowsOf(image: ImageRecord, matches: (name: string) => boolean): ImageRow[] {
  const { tags } = image;
  const rows = tags.length === 0 ? [{ image, tag: undefined }] : tags.map((tag) => ({ image, tag }));
  return rows.filter((row) => matches(nameOf(row)));
}

function nameOf({ image: { repository, descriptor }, tag }: ImageRow): string {
  return tag === undefined ? `${repository}@${descriptor.digest}` : `${repository}:${tag}`;
}

/** The original's columns, as wide as these rows need. */
export function tableOf(
  rows: readonly ImageRow[],
  { header, shortDigest }: { readonly header: boolean; readonly shortDigest: boolean },
): string {
  const lines = rows.map((row) => cellsOf(row, shortDigest));
  if (header) lines.unshift(heading);
  const widths = heading.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)));
  return lines.map((cells) => `${padded(cells, widths).trimEnd()}\n`).join('');
}

function padded(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' ');
}

function cellsOf({ image, tag }: ImageRow, shortDigest: boolean): string[] {
  const { repository, descriptor, createdAt, usedAt, totalSize } = image;
  const hex = hexOf(descriptor.digest);
  return [
    repository,
    tag ?? (shortDigest ? hex.slice(0, shortDigits) : hex),
    isIndex(descriptor.mediaType) ? 'list' : 'image',
    localTime(createdAt),
    localTime(usedAt),
    totalSize === 0 ? 'n/a' : (totalSize / 1_000_000).toFixed(1),
  ];
}

/** As the original writes it: `2006-01-02T15:04:05`, here and now. */
function localTime(at: number): string {
  if (at === 0) return '-';
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
}

/** The same and what else is known, for programs; sizes in bytes. */
export function objectOf(row: ImageRow): object {
  const { repository, descriptor, totalSize, missing, origin, createdAt, usedAt } = row.image;
  const { digest, mediaType } = descriptor;
  return {
    ...{ name: nameOf(row), repository, tag: row.tag, digest, mediaType },
    type: isIndex(mediaType) ? 'list' : 'image',
    upstream: hostOf(repository),
    createdAt: new Date(createdAt).toISOString(),
    usedAt: new Date(usedAt).toISOString(),
    size: totalSize,
    ...{ missingBlobs: missing, origin },
  };
}
