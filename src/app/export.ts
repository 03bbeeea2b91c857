import type { Writable } from 'node:stream';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { BundleSink } from '../bundle/bundle-sink.ts';
import type { Selection } from '../bundle/cached-names.ts';
import { earlierBundle } from '../bundle/earlier-bundle.ts';
import { exportBundle } from '../bundle/export-bundle.ts';
import type { ExportedImage } from '../bundle/export-images.ts';
import { FolderSink } from '../bundle/folder-sink.ts';
import { StreamSink } from '../bundle/stream-sink.ts';
import { TarSink } from '../bundle/tar-sink.ts';
import type { Config } from '../config/schema.ts';
import { LoadError } from '../load/load-error.ts';
import type { Platform } from '../oci/platform.ts';
import { memoryPlan } from './memory-plan.ts';
import { assertCached } from './nothing-cached.ts';
import { filePlan } from './open-files.ts';
import { openStore } from './store.ts';

/** What is to be exported, and where to. */
export interface ExportOrder {
  /** A folder; a file, where it ends in `.tar`; standard output: `-`. */
  readonly to: string;
  readonly selection: Selection;
  /** Of an index only these; none: what is cached of it. */
  readonly platforms: readonly Platform[];
  /** Of each of several tars, in bytes. */
  readonly chunkSize: number | undefined;
  /** Path of an earlier bundle, or of its list: what it has is left out. */
  readonly since: string | undefined;
}

export interface ExportOrderParts {
  readonly log: Log;
  readonly clock?: Clock;
  readonly stdout: Writable;
  readonly signal: AbortSignal;
  /** Told of each image as it ends. */
  readonly ended: (image: ExportedImage) => void;
}

/** Exports from the directory, beside whoever serves from it. Throws LoadError where nothing can be exported, and what else keeps the bundle from being written. */
export async function exportImages(
  { imagePath }: Pick<Config, 'imagePath'>,
  { to, selection, platforms, chunkSize, since }: ExportOrder,
  { log, clock = systemClock, stdout, signal, ended }: ExportOrderParts,
): Promise<void> {
  assertCached(imagePath);
  const earlier = since === undefined ? undefined : await earlierBundle(since);
  const files = await filePlan(1, log);
  await using store = await openStore(imagePath, { memory: memoryPlan(), files, clock, log, says() {} });
  await using sink = await sinkAt(to, chunkSize, stdout);
  const parts = { ...store, sink, earlier, platforms, clock, signal };
  await exportBundle(selection, parts, ended);
}

async function sinkAt(to: string, chunkSize: number | undefined, stdout: Writable): Promise<BundleSink> {
  if (to.endsWith('.tar')) return await TarSink.open(to, chunkSize);
  if (chunkSize !== undefined)
    throw new LoadError('only a bundle that is a file is split: let its name end in .tar');
  return to === '-' ? new StreamSink(stdout) : await FolderSink.open(to);
}
