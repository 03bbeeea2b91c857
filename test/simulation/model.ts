import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import {
  type Digest,
  parseRegistryHost,
  parseTag,
  type RegistryHost,
  type RepositoryName,
  repositoryName,
  type Tag,
} from '#src/oci/reference.ts';
import { Content } from './content.ts';

export interface ModelManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Blobs that it names. */
  readonly blobs: readonly Digest[];
  /** Manifests, of an index. */
  readonly children: readonly Digest[];
}

/** What a tag has pointed at, the newest last. `since` in fake milliseconds. */
interface Pointing {
  /** Undefined: it was deleted. */
  readonly digest: Digest | undefined;
  readonly since: number;
}

export class ModelRepository {
  readonly host: RegistryHost;
  readonly path: string;
  readonly name: RepositoryName;
  readonly manifests = new Map<Digest, ModelManifest>();
  readonly tags = new Map<Tag, Pointing[]>();
  readonly blobs = new Set<Digest>();
  /** We may not read it. */
  isForbidden = false;
  /** Blobs whose size a manifest of this repository gives wrong. */
  readonly wronglySized = new Set<Digest>();

  constructor(host: RegistryHost, path: string) {
    this.host = host;
    this.path = path;
    this.name = repositoryName(host, path);
  }

  /** Where the tag points now. */
  tagged(tag: Tag): Digest | undefined {
    return this.tags.get(tag)?.at(-1)?.digest;
  }

  point(tag: Tag, digest: Digest, since: number): void {
    this.tags.set(tag, [...(this.tags.get(tag) ?? []), { digest, since }]);
  }

  /** The tag is deleted; what it pointed at is not. */
  unpoint(tag: Tag, since: number): void {
    this.tags.set(tag, [...(this.tags.get(tag) ?? []), { digest: undefined, since }]);
  }

  /** Did the tag point there at some time in this interval? */
  pointed(tag: Tag, digest: Digest | undefined, from: number, to: number): boolean {
    const history = this.tags.get(tag) ?? [];
    return history.some(({ digest: then, since }, at) => {
      const until = history[at + 1]?.since ?? Number.POSITIVE_INFINITY;
      return then === digest && since <= to && until >= from;
    });
  }

  /** Was it deleted at some time in this interval? */
  wasDeleted(tag: Tag, from: number, to: number): boolean {
    return this.pointed(tag, undefined, from, to);
  }
}

/** What the world outside holds: registries, their repositories and all bytes. */
export class Model {
  readonly content = new Content();
  readonly repositories = new Map<RepositoryName, ModelRepository>();
  #serial = 0;

  get hosts(): RegistryHost[] {
    return [...new Set([...this.repositories.values()].map(({ host }) => host))];
  }

  repository(host: string, path: string): ModelRepository {
    const made = new ModelRepository(parseRegistryHost(host), path);
    const known = this.repositories.get(made.name);
    if (known !== undefined) return known;
    this.repositories.set(made.name, made);
    return made;
  }

  find(host: string, path: string): ModelRepository | undefined {
    return this.repositories.get(`${host}/${path}` as RepositoryName);
  }

  newBlob(size: number): Digest {
    this.#serial += 1;
    return this.content.blob(size, this.#serial);
  }

  /** `wrong`: the size of the first layer is not what its bytes have. */
  putImage(repository: ModelRepository, layers: readonly Digest[], wrong = false): ModelManifest {
    this.#serial += 1;
    const config = this.content.add(Buffer.from(JSON.stringify({ serial: this.#serial })));
    const described = [config, ...layers].map((digest, at) => ({
      mediaType: 'application/octet-stream',
      digest,
      size: this.content.sizeOf(digest) + (wrong && at === 1 ? 1 : 0),
    }));
    const [first, ...others] = described;
    const json = { schemaVersion: 2, mediaType: ociManifest, config: first, layers: others };
    for (const digest of [config, ...layers]) repository.blobs.add(digest);
    if (wrong && layers[0] !== undefined) repository.wronglySized.add(layers[0]);
    return this.#put(repository, json, { blobs: [config, ...layers], children: [] });
  }

  putIndex(repository: ModelRepository, children: readonly ModelManifest[]): ModelManifest {
    const manifests = children.map(({ digest, mediaType }) => ({
      mediaType,
      digest,
      size: this.content.sizeOf(digest),
    }));
    const json = { schemaVersion: 2, mediaType: ociIndex, manifests };
    return this.#put(repository, json, { blobs: [], children: children.map(({ digest }) => digest) });
  }

  tag(repository: ModelRepository, name: string, { digest }: ModelManifest, since = 0): Tag {
    const tag = parseTag(name);
    repository.point(tag, digest, since);
    return tag;
  }

  #put(
    repository: ModelRepository,
    json: { readonly mediaType: string },
    names: Pick<ModelManifest, 'blobs' | 'children'>,
  ): ModelManifest {
    const digest = this.content.add(Buffer.from(JSON.stringify(json)));
    const manifest = { digest, mediaType: json.mediaType, ...names };
    repository.manifests.set(digest, manifest);
    return manifest;
  }
}
