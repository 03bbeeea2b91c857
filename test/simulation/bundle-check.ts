import type { ExportedImage } from '#src/bundle/export-images.ts';
import type { Digest, RepositoryName } from '#src/oci/reference.ts';
import type { MemoryBundle } from './memory-bundle.ts';
import type { Model } from './model.ts';
import { short } from './trace.ts';

/** In words, what is wrong with a bundle that somebody was told is whole. */
export async function wrongInBundle(bundle: MemoryBundle, model: Model): Promise<readonly string[]> {
  const images = bundle.images.filter(({ problem }) => problem === undefined);
  const wrong = [
    ...(await wrongBytes(bundle, model)),
    ...images.flatMap((image) => wrongInImage(image, bundle, model)),
    ...wrongIndex(bundle, images),
  ];
  return wrong.map(short);
}

/** Each blob that it lists is in it, or in those before it, bit for bit as upstream has it; and not in it where the one before lists it. */
async function wrongBytes(bundle: MemoryBundle, model: Model): Promise<string[]> {
  const { blobs } = await bundle.list();
  const before = await bundle.earlier?.list();
  return [...blobs.values()].flatMap(({ digest, size, chunk }) => {
    const own = bundle.bytesOf(digest);
    const earlier = bundle.earlier === undefined ? undefined : bytesIn(bundle.earlier, digest);
    const bytes = own ?? earlier;
    if (bytes === undefined) return [`${digest} is listed and nowhere`];
    if (own !== undefined && before?.blobs.has(digest) === true)
      return [`${digest} was in the bundle before`];
    if ((chunk === undefined) !== (own === undefined)) return [`${digest} is not where the list says`];
    const isRight = bytes.length === size && Buffer.compare(bytes, model.content.of(digest)) === 0;
    return isRight ? [] : [`${digest} has wrong bytes`];
  });
}

/** All that an image leads to is there, but for manifests that it was said to be left without. */
function wrongInImage(
  { name, descriptor, left }: ExportedImage,
  bundle: MemoryBundle,
  model: Model,
): string[] {
  const repository = model.repositories.get(name.replace(/[:@][^/]*$/, '') as RepositoryName);
  const root = repository?.manifests.get(descriptor.digest);
  if (root === undefined) return [`${name} is nobody's`];
  const isThere = (digest: Digest): boolean => bytesIn(bundle, digest) !== undefined;
  const children = root.children.filter(isThere).flatMap((child) => repository?.manifests.get(child) ?? []);
  const lost = [root, ...children]
    .flatMap(({ digest, blobs }) => [digest, ...blobs])
    .filter((each) => !isThere(each));
  const wrong = lost.map((digest) => `${name} lacks ${digest}`);
  if (children.length + left !== root.children.length)
    wrong.push(
      `${name} has ${children.length} of ${root.children.length} manifests and says that it lacks ${left}`,
    );
  return wrong;
}

/** What index.json names is what whoever made it was told. */
function wrongIndex(bundle: MemoryBundle, images: readonly ExportedImage[]): string[] {
  const index = JSON.parse(Buffer.from(bundle.files.get('index.json') ?? '{}').toString()) as {
    readonly manifests?: readonly { readonly digest: string }[];
  };
  const named = (index.manifests ?? []).map(({ digest }) => digest);
  const told = images.map(({ descriptor }) => descriptor.digest);
  return named.join() === told.join() ? [] : [`index.json names ${named.join()} instead of ${told.join()}`];
}

function bytesIn(bundle: MemoryBundle, digest: Digest): Uint8Array | undefined {
  return bundle.chain.map((each) => each.bytesOf(digest)).find((bytes) => bytes !== undefined);
}
