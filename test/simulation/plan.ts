import type { WirePace } from './fake-wire.ts';
import type { FaultKind } from './faults.ts';
import type { DiskPace } from './simulated-files.ts';

export type ClientKind = 'puller' | 'copier' | 'ranger' | 'watcher' | 'hammer' | 'prober' | 'sweeper';

export interface ImagePlan {
  readonly host: string;
  readonly path: string;
  readonly tag: string;
  /** Places in {@link Plan.layerSizes}. */
  readonly layers: readonly number[];
  /** The size of its first layer is wrong in its manifest. */
  readonly isWrong: boolean;
  /** Its repository is closed to us. */
  readonly isForbidden: boolean;
  /** It is one of two in an index, which the tag points at. */
  readonly isIndexed: boolean;
}

export interface ClientPlan {
  readonly kind: ClientKind;
  /** Its place among the clients, whoever else is there: its own numbers follow from it. */
  readonly id: number;
  readonly comesAt: number;
  /** Between two pulls; milliseconds. */
  readonly restMs: number;
  /** For each chunk that it takes; 0 is at once. */
  readonly chunkMs: number;
  /** How often it leaves in the middle. */
  readonly leaves: number;
  /** Places in {@link Plan.images} that it is interested in. */
  readonly images: readonly number[];
}

/** Somebody who pushes, and deletes, what lives here. Times in fake milliseconds. */
export interface PusherPlan {
  readonly id: number;
  readonly comesAt: number;
  readonly restMs: number;
  /** Between two pieces that are sent. */
  readonly chunkMs: number;
  /** How often a connection breaks in the middle. */
  readonly breaks: number;
}

export interface FaultPlan {
  readonly kind: FaultKind;
  readonly host: string;
  /** It is the host’s mirror that has it. */
  readonly atMirror: boolean;
  /** The manifests of one image’s repository, one layer, or all that the host has. */
  readonly on: { readonly image: number } | { readonly layer: number } | 'all';
  readonly from: number;
  readonly until: number;
  readonly chance: number;
  readonly status?: number;
  readonly retryAfter?: number;
}

export interface CrashPlan {
  readonly at: number;
  /** Of two servers the second; a power cut is of all. */
  readonly isOfSecond?: boolean;
  /** `kill`: the process dies. `power`: the machine does. `stop`: it is told to end, whatever is on its way. */
  readonly kind: 'kill' | 'power' | 'stop';
}

/** What somebody, or a disk, does to the file of a stored blob. `touch`: its times change and nothing else. */
export interface SpoilPlan {
  readonly at: number;
  readonly kind: 'flip' | 'truncate' | 'touch';
  /** Which of the files that are there then, and where in it; from 0 to 1. */
  readonly file: number;
  readonly byte: number;
  /** No time tells of it: to see that a simulation would find what is served then. */
  readonly isSilent?: boolean;
}

/** Somebody exports what is cached, or imports what was exported, beside the server, or as one of its jobs. Times in fake milliseconds. */
export interface BundlePlan {
  readonly at: number;
  readonly kind: 'export' | 'import';
  /** The place of the image that is exported; undefined: all. */
  readonly image: number | undefined;
  /** The bundle goes on from the last one; or is imported with those that it goes on from. */
  readonly isWithEarlier: boolean;
  /** Of what is imported some is not there: it is cut behind this part of it, from 0 to 1. */
  readonly isCutAt: number | undefined;
  /** Whoever does it is killed after so long. */
  readonly killedAfter: number | undefined;
}

/** All that a seed decides before anything runs; times in fake milliseconds. What happens in which order is decided while it runs. */
export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  readonly store: 'file' | 'memory';
  readonly index: 'memory' | 'sqlite';
  /** Two servers have the same directory, each with some of the clients; commands are processes of their own. */
  readonly isShared: boolean;
  /** They are not told of what the others change: to see that a simulation would find it. */
  readonly isDeaf?: boolean;
  readonly disk: DiskPace;
  readonly wire: WirePace;
  readonly freshness: 'immutable' | 'always' | number;
  /** What clients are told of it, if not the truth: to see that a simulation would find it. */
  readonly promised?: Plan['freshness'];
  readonly complete: boolean;
  readonly maxConcurrent: number;
  readonly hosts: readonly {
    readonly host: string;
    readonly wants: 'nothing' | 'token' | 'password';
    readonly redirectsFor: number | undefined;
    readonly hasMirror: boolean;
  }[];
  /** Bytes of the layers that images share. */
  readonly layerSizes: readonly number[];
  readonly images: readonly ImagePlan[];
  readonly clients: readonly ClientPlan[];
  /** None: nothing lives here. */
  readonly pushers: readonly PusherPlan[];
  /** How long uploads wait, and what they have brought waits for a manifest: in each of the groups of repositories that live here. Milliseconds. */
  readonly uploadExpiryMs: { readonly team: number; readonly lib: number };
  readonly faults: readonly FaultPlan[];
  /** When the tag of which image moves to a new one. */
  readonly moves: readonly { readonly at: number; readonly image: number }[];
  /** When the tag of which image is deleted upstream. */
  readonly deletions: readonly { readonly at: number; readonly image: number }[];
  readonly crashes: readonly CrashPlan[];
  /** When somebody prunes the tag of which image. */
  readonly prunes: readonly { readonly at: number; readonly image: number }[];
  /** Places of images that are never removed. */
  readonly pinned: readonly number[];
  /** What the cache may hold; 0 is no limit. Bytes. */
  readonly maxSize: number;
  readonly spoils: readonly SpoilPlan[];
  readonly bundles: readonly BundlePlan[];
  /** When the disk has no room. */
  readonly full: { readonly from: number; readonly until: number } | undefined;
}
