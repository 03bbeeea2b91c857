import { type Descriptor, isObject, listIn, plainDescriptorIn, shortText } from './descriptor.ts';
import { parseJson } from './json.ts';
import { manifestObject } from './manifest.ts';
import { type Digest, isDigestText } from './reference.ts';

/** What an image runs on (image-spec "Image Index", `platform`). Without a variant: whichever. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** A manifest that an index names. */
export interface IndexChild {
  readonly descriptor: Descriptor;
  /** Absent: the index does not say. */
  readonly platform?: Platform;
  /** The manifest beside it that it attests (BuildKit's attestations). */
  readonly attests?: Digest;
}

/** Other names of the same (containerd's `platforms`, "database.go"). */
const architectures: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
};
/** These variants are what is meant without one. */
const plainVariants: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
/** BuildKit "Image Attestation Storage". */
const attested = 'vnd.docker.reference.digest';

/** `os/architecture[/variant]`. Undefined: it is none. */
export function parsePlatform(text: string): Platform | undefined {
  const [, os, architecture, variant] =
    /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/.exec(text.toLowerCase()) ?? [];
  if (os === undefined || architecture === undefined) return undefined;
  return normal({ os, architecture, ...(variant !== undefined && { variant }) });
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

/** Is it the one that is wanted, or a variant of it where none is named? */
export function isPlatform(platform: Platform, wanted: Platform): boolean {
  return (
    platform.os === wanted.os &&
    platform.architecture === wanted.architecture &&
    (wanted.variant === undefined || platform.variant === wanted.variant)
  );
}

/** What an index names, as far as it is well-formed. Throws a {@link Fault} for what is no manifest. */
export function parseIndexChildren(bytes: Uint8Array): IndexChild[] {
  const index = manifestObject(parseJson(bytes, 'a manifest'));
  return listIn(index['manifests']).flatMap((item) => childIn(item) ?? []);
}

function childIn(item: unknown): IndexChild | undefined {
  const descriptor = plainDescriptorIn(item);
  if (descriptor === undefined || !isObject(item)) return undefined;
  const attests = isObject(item['annotations']) ? item['annotations'][attested] : undefined;
  const platform = platformIn(item['platform']);
  return {
    descriptor,
    ...(platform !== undefined && { platform }),
    ...(typeof attests === 'string' && isDigestText(attests) && { attests }),
  };
}

function platformIn(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const [os, architecture, variant] = [value['os'], value['architecture'], value['variant']].map(shortText);
  if (os === undefined || architecture === undefined) return undefined;
  return normal({ os, architecture, ...(variant !== undefined && { variant }) });
}

function normal({ os, architecture: name, variant }: Platform): Platform {
  const architecture = architectures[name] ?? name;
  return variant === undefined || variant === plainVariants[architecture]
    ? { os, architecture }
    : { os, architecture, variant };
}
