import type { FaultKind } from './faults.ts';
import type { ClientKind, ClientPlan, CrashPlan, FaultPlan, ImagePlan, Plan, SpoilPlan } from './plan.ts';
import { carried, deleting, shared } from './plan-of-processes.ts';
import { nothingPushed, pushing } from './plan-of-pushes.ts';
import { Random } from './random.ts';

const hostFaults: readonly FaultKind[] = [
  'refused',
  'reset',
  'garbage',
  'silence',
  'slow',
  'status',
  'headRefused',
];
const imageFaults: readonly FaultKind[] = [
  'reset',
  'garbage',
  'silence',
  'slow',
  'status',
  'cut',
  'stall',
  'headRefused',
  'headAbsent',
  'headMute',
  'contradiction',
  'falseDigest',
];
const layerFaults: readonly FaultKind[] = [
  'reset',
  'garbage',
  'silence',
  'slow',
  'status',
  'cut',
  'stall',
  'drip',
  'flip',
  'noRange',
  'range416',
  'shortRange',
  'headRefused',
  'headAbsent',
  'headEmpty',
  'headMute',
];
const statuses = [401, 403, 404, 429, 429, 500, 502, 503];
/** Around what matters: nothing, the bytes that are held back, what is kept in memory, what is written at most. */
const sizes: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 3000],
  [3000, 60_000],
  [65_535, 65_537],
  [66_000, 300_000],
  [500_000, 600_000],
  [1_000_000, 2_500_000],
];

const unremoved = { prunes: [], pinned: [], maxSize: 0 } as const;
const alone = { isShared: false, deletions: [], bundles: [], ...nothingPushed } as const;

/** The scenario of a seed. */
export function planOf(seed: number): Plan {
  const plan = ofPushes(ofProcesses(wellStored(seed), seed), seed);
  const random = new Random(seed).fork('spoils');
  if (plan.store !== 'file' || !random.chance(0.15)) return plan;
  return { ...plan, spoils: spoilsOf(random, plan.durationMs) };
}

/** What lives here is pushed, beside what is cached. */
function ofPushes(plan: Plan, seed: number): Plan {
  if (plan.store !== 'file' || plan.images.length > 100 || plan.bundles.length > 0) return plan;
  const random = new Random(seed).fork('pushes');
  return random.chance(0.35) ? pushing(plan, random) : plan;
}

/** What is done by several on one directory, and with what is carried from it. */
function ofProcesses(plan: Plan, seed: number): Plan {
  if (plan.store !== 'file' || plan.images.length > 100) return plan;
  const random = new Random(seed).fork('processes');
  const [isShared, isCarried, isDeleted] = [random.chance(0.12), random.chance(0.2), random.chance(0.4)];
  let made = isShared ? shared(plan, random.fork('shared')) : plan;
  if (isCarried) made = carried(made, random.fork('bundles'));
  return isDeleted && plan.maxSize > 0 ? deleting(made, random.fork('deletions')) : made;
}

function wellStored(seed: number): Plan {
  const random = new Random(seed).fork('plan');
  if (random.chance(0.05)) return storm(seed, random);
  const plan = removing(usual(seed, random), new Random(seed).fork('removals'));
  const lazily = new Random(seed).fork('lazily');
  return lazily.chance(0.12) ? lazy(plan, lazily) : plan;
}

/** Somebody prunes, or the cache has a limit, now and then. */
function removing(plan: Plan, random: Random): Plan {
  if (plan.store !== 'file' || !random.chance(0.25)) return plan;
  const { durationMs, images, layerSizes } = plan;
  const prunes = Array.from({ length: random.between(0, 8) }, () => ({
    ...{ at: random.between(0, durationMs), image: random.between(0, images.length - 1) },
  }));
  const all = layerSizes.reduce((sum, size) => sum + size, 0);
  return {
    ...plan,
    prunes,
    maxSize: random.chance(0.5) ? Math.round(all * random.pick([0.3, 0.6, 0.9])) + 10_000 : 0,
    pinned: random.chance(0.5) ? [random.between(0, images.length - 1)] : [],
  };
}

function spoilsOf(random: Random, durationMs: number): SpoilPlan[] {
  return Array.from({ length: random.between(1, 6) }, () => ({
    at: random.between(200, durationMs),
    kind: random.pick(['flip', 'flip', 'truncate', 'touch', 'touch']),
    file: random.between(0, 999) / 1000,
    byte: random.between(0, 999) / 1000,
  }));
}

/** Large blobs behind slow links, and mostly those who want parts of them. */
function lazy(plan: Plan, random: Random): Plan {
  const images = plan.images.map((image) => ({ ...image, isWrong: false }));
  const clients = plan.clients.slice(0, 5).map((client, at) => ({
    ...client,
    kind: at === 0 ? ('puller' as const) : ('ranger' as const),
    restMs: random.pick([20, 200]),
    chunkMs: random.pick([0, 0, 1]),
  }));
  return {
    ...plan,
    durationMs: 8000,
    images,
    clients,
    layerSizes: plan.layerSizes.map(() => random.between(1_500_000, 9_000_000)),
    wire: { answerMs: random.pick([5, 40, 200]), chunkMs: random.pick([8, 30]), chunkBytes: 64_000 },
    faults: random.chance(0.6) ? [] : plan.faults,
    crashes: plan.crashes.map((crash) => ({ ...crash, at: Math.min(crash.at, 8000) })),
    full: random.chance(0.2) ? fullOf(random, 8000) : undefined,
  };
}

function usual(seed: number, random: Random): Plan {
  const durationMs = random.pick([5000, 15_000, 40_000, 90_000]);
  const hosts = hostsOf(random, random.between(1, 2));
  const layerSizes = Array.from({ length: random.between(2, 7) }, () => {
    const [first, last] = random.pick(sizes);
    return random.between(first, last);
  });
  const images = Array.from({ length: random.between(2, 9) }, (_, at) =>
    imageOf(random, at, random.pick(hosts).host, layerSizes.length),
  );
  const store = random.chance(0.8) ? 'file' : 'memory';
  const clients = Array.from({ length: random.between(2, 12) }, (_, id) =>
    clientOf(random, id, images.length, durationMs),
  );
  const isWell = random.chance(0.3);
  const faults = isWell
    ? []
    : Array.from({ length: random.between(1, 4) }, () => faultOf(random, hosts, images, durationMs));
  return {
    seed,
    durationMs,
    store,
    index: store === 'file' && random.chance(0.1) ? 'sqlite' : 'memory',
    disk: {
      callMs: random.pick([0.05, 0.2, 2]),
      syncMs: random.pick([0.5, 4, 12, 40]),
      threads: random.pick([2, 4, 4]),
    },
    wire: {
      answerMs: random.pick([0.5, 5, 40, 200]),
      chunkMs: random.pick([0.05, 1, 8]),
      chunkBytes: random.pick([20_000, 64_000, 256_000]),
    },
    freshness: random.pick(['immutable', 'immutable', 'always', 5000, 60_000]),
    complete: random.chance(0.6),
    maxConcurrent: isWell ? random.pick([2, 8, 32]) : 32,
    hosts,
    layerSizes,
    images,
    clients,
    faults,
    moves: random.chance(0.4)
      ? [{ at: random.between(0, durationMs), image: random.between(0, images.length - 1) }]
      : [],
    crashes: store === 'file' && random.chance(0.4) ? crashesOf(random, durationMs) : [],
    spoils: [],
    full: random.chance(0.08) ? fullOf(random, durationMs) : undefined,
    ...unremoved,
    ...alone,
  };
}

/** Many small images at once, and nothing wrong. */
function storm(seed: number, random: Random): Plan {
  const durationMs = 6000;
  const hosts = hostsOf(random, 1);
  const count = random.between(300, 600);
  const [host] = hosts;
  const images = Array.from({ length: count }, (_, at): ImagePlan => {
    const path = `many/i${at}`;
    return {
      host: host?.host ?? '',
      path,
      tag: 'v1',
      layers: [2 * at, 2 * at + 1],
      isWrong: false,
      isForbidden: false,
      isIndexed: false,
    };
  });
  const clients = random.pick([4, 12, 24]);
  return {
    seed,
    durationMs,
    store: 'file',
    index: 'memory',
    disk: { callMs: 0.05, syncMs: random.pick([4, 8, 15]), threads: 4 },
    wire: { answerMs: 1, chunkMs: 0.1, chunkBytes: 64_000 },
    freshness: 'immutable',
    complete: random.chance(0.5),
    maxConcurrent: 32,
    hosts,
    layerSizes: Array.from({ length: 2 * count }, () => random.between(100, 3000)),
    images,
    clients: Array.from({ length: clients }, (_, id) => ({
      kind: 'sweeper' as const,
      id,
      comesAt: random.between(0, 50),
      restMs: 0,
      chunkMs: 0,
      leaves: 0,
      images: images.map((_image, at) => at).filter((at) => at % clients === id),
    })),
    faults: [],
    moves: [],
    crashes: random.chance(0.7)
      ? [{ at: random.between(1500, 5000), kind: random.chance(0.7) ? 'kill' : 'power' }]
      : [],
    spoils: [],
    full: undefined,
    ...unremoved,
    ...alone,
  };
}

function hostsOf(random: Random, count: number): Plan['hosts'] {
  return ['registry.one', 'registry.two'].slice(0, count).map((host) => ({
    host,
    wants: random.pick(['nothing', 'nothing', 'token', 'password']),
    redirectsFor: random.chance(0.25) ? random.pick([20_000, 60_000]) : undefined,
    hasMirror: random.chance(0.2),
  }));
}

function imageOf(random: Random, at: number, host: string, layers: number): ImagePlan {
  const path = random.pick(['a/one', 'a/one', 'a/two', 'a/two', 'b', 'b', 'c/d/e', 'c/d/e', 'closed']);
  return {
    host,
    path,
    tag: `v${at}`,
    layers: random
      .shuffled(Array.from({ length: layers }, (_, place) => place))
      .slice(0, random.between(1, 4)),
    isWrong: random.chance(0.06),
    isForbidden: path === 'closed',
    isIndexed: random.chance(0.2),
  };
}

function clientOf(random: Random, id: number, images: number, durationMs: number): ClientPlan {
  const kinds: readonly ClientKind[] = [
    'puller',
    'puller',
    'puller',
    'copier',
    'ranger',
    'watcher',
    'hammer',
    'prober',
  ];
  const interest = random.shuffled(Array.from({ length: images }, (_, place) => place));
  return {
    kind: random.pick(kinds),
    id,
    comesAt: random.chance(0.5) ? random.between(0, 100) : random.between(0, durationMs),
    // Not more pulls than show something.
    restMs: Math.max(random.pick([20, 500, 3000]), durationMs / 50),
    chunkMs: random.pick([0, 0, 1, 30]),
    leaves: random.pick([0, 0, 0.2]),
    images: interest.slice(0, random.between(1, images)),
  };
}

function faultOf(
  random: Random,
  hosts: Plan['hosts'],
  images: readonly ImagePlan[],
  durationMs: number,
): FaultPlan {
  const from = random.chance(0.5) ? 0 : random.between(0, durationMs);
  const until = random.chance(0.5) ? durationMs : from + random.between(200, 20_000);
  const chance = random.pick([1, 1, 0.5, 0.15]);
  const { on, host, kinds } = random.pick([
    () => ({ on: 'all' as const, host: random.pick(hosts).host, kinds: hostFaults }),
    () => imageTarget(random, images),
    () => imageTarget(random, images),
    () => layerTarget(random, images),
    () => layerTarget(random, images),
  ])();
  const kind = random.pick(kinds);
  const status = random.pick(statuses);
  // Said by one that knows passwords alone it is about the password: of that there are closed repositories.
  const isOfPassword = hosts.some((each) => each.host === host && each.wants === 'password');
  const isMirrored = hosts.some((each) => each.host === host && each.hasMirror);
  return {
    kind,
    host,
    atMirror: isMirrored && random.chance(0.7),
    on,
    from,
    until,
    chance,
    ...(kind === 'status' && { status: isOfPassword && status === 401 ? 403 : status }),
    ...(kind === 'status' &&
      status === 429 &&
      random.chance(0.5) && { retryAfter: random.pick([0, 1, 4, 20]) }),
  };
}

type Target = Pick<FaultPlan, 'on' | 'host'> & { readonly kinds: readonly FaultKind[] };

function imageTarget(random: Random, images: readonly ImagePlan[]): Target {
  const image = random.between(0, images.length - 1);
  const kinds: readonly FaultKind[] = random.chance(0.2) ? ['contradiction'] : imageFaults;
  return { on: { image }, host: images[image]?.host ?? '', kinds };
}

function layerTarget(random: Random, images: readonly ImagePlan[]): Target {
  const { host, layers } = random.pick(images);
  return { on: { layer: random.pick(layers) }, host, kinds: layerFaults };
}

function fullOf(random: Random, durationMs: number): Plan['full'] {
  const from = random.between(0, durationMs >> 1);
  return { from, until: from + random.between(500, durationMs) };
}

function crashesOf(random: Random, durationMs: number): CrashPlan[] {
  return Array.from({ length: random.between(1, 2) }, () => ({
    at: random.between(500, durationMs),
    kind: random.pick(['kill', 'power', 'stop']),
  }));
}
