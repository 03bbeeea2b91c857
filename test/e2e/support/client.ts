/** One pull by a client that holds nothing. */
export interface Pull {
  /** `127.0.0.1:port` of the program under test. */
  readonly server: string;
  /** `127.0.0.1:port` of the registry behind it. */
  readonly upstream: string;
  readonly repository: string;
  readonly tag: string;
}

/** A real client, as its users configure it to pull through us. */
export interface Client {
  readonly name: string;
  /** The programs that it consists of. */
  readonly programs: readonly string[];
  /** Whether it takes an index with all its platforms, or the one that it would run. */
  readonly takes: 'everything' | 'platform';
  /** How it has layers afterwards: as they came, or unpacked only. */
  readonly keeps: 'blobs' | 'unpacked';
  /** Pulls into an empty store. Returns the digests of what it then holds. */
  pull(pull: Pull): Promise<ReadonlySet<string>>;
}

/** The alias under which the upstream is configured: `host:port` is no valid part of a repository name for these clients. */
export const alias = 'up';
