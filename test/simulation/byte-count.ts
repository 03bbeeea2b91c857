import type { ByteRange } from '#src/oci/registry.ts';
import { Ranges } from '#src/storage/ranges.ts';
import type { Asked } from './fake-registry.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Of what an earlier transfer has left so much is asked for anew, and so much is not worth being kept. Bytes. */
const askedAnew = 64 * 1024;
const notKept = 1024 * 1024;

/** What came of one blob. */
interface Carried {
  readonly ranges: Ranges;
  total: number;
  /** Answers that bytes came by, and those of them that were the whole. */
  answers: number;
  wholes: number;
}

/** Counts the bytes of blobs that a registry that is well has given, in the life of a process. */
export class ByteCount {
  readonly #world: World;
  readonly #blobs = new Map<string, Carried>();

  constructor(world: World) {
    this.#world = world;
  }

  /** One answer begins to bring bytes of a blob, from byte `first` on. Returns what is to be told of each chunk. */
  begin({ host, reference = '' }: Asked, first: number): (length: number) => void {
    const key = `${host} ${reference}`;
    const carried = this.#blobs.get(key) ?? { ranges: new Ranges(), total: 0, answers: 0, wholes: 0 };
    this.#blobs.set(key, carried);
    carried.answers += 1;
    if (first === 0) carried.wholes += 1;
    let at = first;
    return (length) => {
      this.#came(key, carried, { first: at, last: at + length - 1 });
      at += length;
    };
  }

  #came(key: string, carried: Carried, { first, last }: ByteRange): void {
    const { health, findings, plan } = this.#world;
    carried.ranges.add(first, last + 1);
    carried.total += last + 1 - first;
    const twice = carried.total - carried.ranges.total;
    // A connection is closed by the chunk that turns out to be here; the next one may be on its way.
    const most =
      carried.answers * (2 * plan.wire.chunkBytes + askedAnew) + Math.max(0, carried.wholes - 1) * notKept;
    const [host = ''] = key.split(' ');
    const isRemoved = plan.prunes.length > 0 || plan.maxSize > 0;
    const isWell =
      !isRemoved &&
      plan.faults.length === 0 &&
      plan.spoils.length === 0 &&
      plan.full === undefined &&
      !health.wasEverOdd(host as never);
    if (isWell && twice > most)
      findings.add('no byte comes twice', short(`${key}: ${twice} bytes by ${carried.answers} answers`));
  }
}
