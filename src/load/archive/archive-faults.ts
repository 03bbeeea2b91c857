import { basename } from 'node:path';
import type { Digest } from '../../oci/reference.ts';
import type { LoadedImage } from '../load-images.ts';
import { Tally } from '../tally.ts';

/** Of those that a fault costs so many are named in its words. */
const maxNamed = 10;
/** More faults are told as one. */
const maxFaults = 100;

interface Fault {
  /** A path. */
  readonly place: string;
  readonly problem: string;
  readonly costs: string[];
  readonly tally: Tally;
}

/**
 * What is wrong with archives that are read together. Each thing is told once, in the end, with the images that are not whole because of it; of those nothing is
 * said beside.
 */
export class ArchiveFaults {
  readonly #faults: Fault[] = [];
  readonly #ofContent = new Map<Digest, Fault>();
  /** Of archives of which a part could not be read: it may have had whatever is lacked. */
  readonly #ofRest = new Map<string, Fault>();
  #more = 0;

  get isEmpty(): boolean {
    return this.#faults.length === 0;
  }

  /** `content`: what the archive has only with this fault. */
  add(place: string, problem: string, content?: Digest): void {
    const fault = this.#added(place, problem);
    if (content !== undefined && fault !== undefined) this.#ofContent.set(content, fault);
  }

  /** From some place on it cannot be read. */
  addRest(place: string, problem: string): void {
    const fault = this.#added(place, problem);
    if (fault !== undefined) this.#ofRest.set(basename(place), fault);
  }

  /** An archive of this name should have had what has not come. */
  addMissing(file: string, contents: readonly Digest[]): void {
    const fresh = contents.filter((digest) => !this.#ofContent.has(digest));
    if (fresh.length === 0) return;
    const problem = `it is missing, or not whole: ${fresh.length} of its blobs were not brought`;
    const fault = this.#ofRest.get(file) ?? this.#added(file, problem);
    if (fault !== undefined) for (const digest of fresh) this.#ofContent.set(digest, fault);
  }

  /** True: that the image, which the archive at `place` names, is not whole is because of one of these faults, and is told with it. */
  cost({ name, tally, problem, lacks = [] }: LoadedImage, place: string): boolean {
    if (lacks.length === 0) return false;
    // An index may have only some of its manifests, whatever is wrong with other archives.
    const [other] = problem === undefined ? [] : this.#ofRest.values();
    const rest = this.#ofRest.get(basename(place)) ?? other;
    const fault = lacks.map((digest) => this.#ofContent.get(digest)).find(Boolean) ?? rest;
    if (fault === undefined) return false;
    fault.costs.push(name);
    fault.tally.add(tally);
    return true;
  }

  /** An image of an archive that could not be read to its end. */
  costRest(place: string, image: string): void {
    this.#ofRest.get(basename(place))?.costs.push(image);
  }

  *told(): Iterable<LoadedImage> {
    for (const { place, problem, costs, tally } of this.#faults)
      yield { name: place, problem: `${problem}${costing(costs)}`, costs, tally };
    const [last] = this.#faults.slice(-1);
    if (this.#more > 0 && last !== undefined)
      yield { name: last.place, problem: `and ${this.#more} more like this`, tally: new Tally() };
  }

  /** Undefined: there are too many already. */
  #added(place: string, problem: string): Fault | undefined {
    if (this.#faults.length === maxFaults) {
      this.#more += 1;
      return undefined;
    }
    const fault = { place, problem, costs: [], tally: new Tally() };
    this.#faults.push(fault);
    return fault;
  }
}

function costing(images: readonly string[]): string {
  if (images.length === 0) return '';
  const more = images.length - maxNamed;
  return `; not whole without it: ${images.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
