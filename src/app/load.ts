import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Wanted } from '../load/image-load.ts';
import { type ImagesOfFiles, imagesOfFiles } from '../load/images-of-files.ts';
import { ImageLoads, type LoadedImage } from '../load/load-images.ts';
import { dockerHub } from '../oci/docker-hub.ts';
import { type Platform, parsePlatform } from '../oci/platform.ts';
import type { RegistryHost } from '../oci/reference.ts';
import { type Caching, openCaching } from './caching.ts';
import { imageNamed } from './image-name.ts';
import { filePlan } from './open-files.ts';
import { targetSettings } from './target-settings.ts';

export interface LoadParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal: AbortSignal;
  /** Told of each image as it ends. */
  readonly ended: (image: LoadedImage) => void;
  /** Handed what tells how many bytes have come so far. */
  readonly begun?: (fetched: () => number) => void;
}

/** What the files name. Throws LoadError, or the signal's reason. */
export async function imagesToLoad(
  config: Config,
  files: string,
  stdin: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<ImagesOfFiles> {
  const settings = targetSettings(config);
  const ofCluster = { aliases: new Map(), defaultNs: dockerHub };
  return await imagesOfFiles(files, {
    named: (text) => imageNamed(text, settings),
    namedInCluster: (text) => imageNamed(text, ofCluster),
    stdin,
    signal,
  });
}

/** The platform of `os` and `arch`, where one of them is given; the other one is this machine's. None: all. */
export function configuredPlatforms({ os, arch }: Config): Platform[] {
  if (os === '' && arch === '') return [];
  const text = `${os || process.platform}/${arch || process.arch.replace('x64', 'amd64')}`;
  const platform = parsePlatform(text);
  if (platform === undefined) throw new Error(`${JSON.stringify(text)} is no platform`);
  return [platform];
}

/** Opens the directory beside whoever serves from it, and pulls the images into it. Throws what keeps the directory from being used. */
export async function loadImages(
  config: Config,
  { images }: ImagesOfFiles,
  wanted: Wanted,
  parts: LoadParts,
): Promise<void> {
  const { log, version, env, clock = systemClock, random = Math.random } = parts;
  const files = await filePlan(1, log);
  await using caching = await openCaching(
    { ...config, metrics: 0 },
    { files, version, clock, log, random, env, says() {}, completes: false },
  );
  await loadInto(caching, images, wanted, { ...parts, clock });
}

/** The same into a cache that is open. */
export async function loadInto(
  { store, registries }: Caching,
  images: ImagesOfFiles['images'],
  wanted: Wanted,
  { clock, signal, ended, begun }: Pick<LoadParts, 'signal' | 'ended' | 'begun'> & { readonly clock: Clock },
): Promise<void> {
  const { metadata } = store;
  const registryOf = (host: RegistryHost) => registries.of(host);
  const loads = new ImageLoads({ registryOf, metadata, clock }, wanted, signal);
  begun?.(() => loads.fetched);
  await loads.run(images, ended);
}
