import { Tally } from '../load/tally.ts';
import { megabytes } from './load-report.ts';
import { shownText } from './shown-text.ts';

/** What became of an image that was exported or imported, or what else was wrong under its place. */
export interface ReportedImage {
  readonly name: string;
  readonly digest?: string | undefined;
  /** Undefined: it is done. */
  readonly problem?: string | undefined;
  /** In words, of one that is done. */
  readonly note?: string | undefined;
  /** Images that are not done because of it, and are not told of by themselves. */
  readonly costs?: readonly string[] | undefined;
  readonly tally: Tally;
}

/** How it is said. */
export interface ReportWords {
  /** `exported` */
  readonly done: string;
  /** Of bytes, behind their number: `written`. */
  readonly moved: string;
  readonly present: string;
}

/** Says of each image as it ends what became of it, in lines or as JSON: none is kept, for they may be many. */
export class ImageReport {
  readonly #words: ReportWords;
  readonly #output: 'text' | 'json';
  readonly #write: (text: string) => unknown;
  readonly #total = new Tally();
  #done = 0;
  #failed = 0;

  constructor(words: ReportWords, output: 'text' | 'json', write: (text: string) => unknown) {
    this.#words = words;
    this.#output = output;
    this.#write = write;
  }

  /** Was everything done that was to be? */
  get isOk(): boolean {
    return this.#failed === 0;
  }

  /** How far it is, in a line. */
  get progress(): string {
    return `${this.#done + this.#failed} images are done, ${this.#bytes(this.#total)}\n`;
  }

  add(image: ReportedImage): void {
    const separator = this.#done + this.#failed === 0 ? '{"images":[\n' : ',\n';
    if (image.problem === undefined) this.#done += 1;
    else this.#failed += Math.max(1, image.costs?.length ?? 0);
    this.#total.add(image.tally);
    this.#write(
      this.#output === 'json' ? `${separator}${JSON.stringify(objectOf(image))}` : this.#line(image),
    );
  }

  end(seconds: number): void {
    const { manifests, blobs, fetched, present } = this.#total;
    if (this.#output === 'json') {
      const rest = { manifests, blobs, movedBytes: fetched, presentBytes: present, seconds };
      const begin = this.#done + this.#failed === 0 ? '{"images":[' : '';
      this.#write(`${begin}\n],"ok":${this.isOk},${JSON.stringify(rest).slice(1)}\n`);
      return;
    }
    const ending = this.#failed === 0 ? '' : `, ${this.#failed} failed`;
    const images = this.#done === 1 ? 'image' : 'images';
    this.#write(
      `${this.#words.done} ${this.#done} ${images} in ${seconds.toFixed(1)} s${ending}: ${this.#bytes(this.#total)}\n`,
    );
  }

  #line({ name, digest, problem, note, tally }: ReportedImage): string {
    const shown = shownText(name);
    if (problem !== undefined) return `FAILED ${shown}: ${shownText(problem)}\n`;
    return `${this.#words.done} ${shown} ${digest}: ${this.#bytes(tally)}${note === undefined ? '' : `; ${note}`}\n`;
  }

  #bytes({ fetched, present }: Tally): string {
    return `${megabytes(fetched)} ${this.#words.moved}, ${megabytes(present)} ${this.#words.present}`;
  }
}

function objectOf({ name, digest, problem, note, costs, tally }: ReportedImage): object {
  const { manifests, blobs, fetched, present } = tally;
  return {
    ...{ name, ok: problem === undefined, digest, problem, note },
    ...{ costs: costs?.length === 0 ? undefined : costs },
    ...{ manifests, blobs, movedBytes: fetched, presentBytes: present },
  };
}
