import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { loadArchive } from '../load/archive/archive-load.ts';
import type { Wanted } from '../load/image-load.ts';
import { type ImagesOfFiles, imagesOfFiles, type Naming } from '../load/images-of-files.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { ImageLoads, type LoadedImage } from '../load/load-images.ts';
import type { LoadProgress } from '../load/load-progress.ts';
import { dockerHub } from '../oci/docker-hub.ts';
import { type Platform, parsePlatform } from '../oci/platform.ts';
import type { RegistryHost } from '../oci/reference.ts';
import { type Caching, openCaching } from './caching.ts';
import { imageNamed } from './image-name.ts';
import { limitedStore } from './kept-limits.ts';
import { filePlan } from './open-files.ts';
import { targetSettings } from './target-settings.ts';

/** What is to be loaded. */
export interface Loadable extends Pick<ImagesOfFiles, 'images'>, Partial<Pick<ImagesOfFiles, 'archives'>> {
  /** The name of the one image of the one tar, whatever the tar calls it. */
  readonly called?: string | undefined;
}

export interface LoadParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal: AbortSignal;
  /** Told of each image as it ends. */
  readonly ended: (image: LoadedImage) => void;
  /** Told of what runs. */
  readonly progress?: LoadProgress;
  /** Images of lists at a time. Default: a few. */
  readonly parallel?: number | undefined;
}

/** What the files name. Throws LoadError, or the signal's reason. */
export async function imagesToLoad(
  config: Config,
  files: string,
  stdin: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<ImagesOfFiles> {
  return await imagesOfFiles(files, { ...naming(config), stdin, signal });
}

/** The same with `resolveRef` as the name of the one image of a tar. Throws LoadError where that is no name, or where there is anything but one tar. */
export function withItsName(files: ImagesOfFiles, config: Config): Loadable {
  const { resolveRef: called } = config;
  if (called === '') return files;
  try {
    naming(config).namedInCluster(called);
  } catch (error) {
    throw new LoadError(`--resolve-ref: ${JSON.stringify(called)}: ${reasonOf(error)}`);
  }
  const { images, archives, problems } = files;
  if (archives.length !== 1 || images.length + problems.length > 0)
    throw new LoadError('--resolve-ref names the image of one tar: there must be nothing else to be loaded');
  return { images, archives, called };
}

/** To containerd, Docker and Kubernetes a name without a registry is one of Docker Hub. */
function naming(config: Config): Pick<Naming, 'named' | 'namedInCluster'> {
  const settings = targetSettings(config);
  const ofCluster = { aliases: new Map(), defaultNs: dockerHub };
  return {
    named: (text) => imageNamed(text, settings),
    namedInCluster: (text) => imageNamed(text, ofCluster),
  };
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
  files: Loadable,
  wanted: Wanted,
  parts: LoadParts,
): Promise<void> {
  const { log, version, env, clock = systemClock, random = Math.random } = parts;
  const open = await filePlan(1, log);
  await using caching = await openCaching(
    { ...config, metrics: 0 },
    { files: open, version, clock, log, random, env, says() {}, completes: false },
  );
  await loadInto(caching, config, files, wanted, { ...parts, clock });
}

type LoadingParts = Pick<LoadParts, 'signal' | 'ended' | 'progress' | 'parallel'> & { readonly clock: Clock };

/** The same into a cache that is open. */
export async function loadInto(
  { store, registries, retention, changed }: Caching,
  config: Config,
  { images, archives = [], called }: Loadable,
  wanted: Wanted,
  { clock, signal, ended, progress, parallel }: LoadingParts,
): Promise<void> {
  const { metadata } = store;
  const registryOf = (host: RegistryHost) => registries.of(host);
  const loads = new ImageLoads({ registryOf, metadata, clock, progress, parallel }, wanted, signal);
  await loads.run(images, ended);
  const { content, spools } = limitedStore(store, retention);
  const named = naming(config).namedInCluster;
  const parts = { content, spools, metadata, clock, changed, named, called, progress };
  for (const archive of archives) await loadArchive(archive, wanted.platforms, parts, signal, ended);
}
