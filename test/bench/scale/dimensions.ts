import { blobSize } from './blob-size.ts';
import { clients } from './clients.ts';
import type { Dimension } from './dimension.ts';
import { images, repositories } from './images.ts';
import { tags } from './tags.ts';

/** By the names by which they are asked for. */
export const dimensions: Readonly<Record<string, Dimension>> = {
  images,
  clients,
  blob: blobSize,
  repositories,
  tags,
};
