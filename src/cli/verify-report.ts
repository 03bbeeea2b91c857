import type { VerifiedFile } from '../app/verify.ts';
import { shownName } from '../oci/reference.ts';
import { megabytes } from './load-report.ts';

/** So many of what is wrong are kept for the report: a disk may be damaged as a whole. */
const maxShown = 10_000;

/** All that became of a check of the store. */
export class VerifyReport {
  /** By {@link Clock.monotonic}. */
  readonly begunAt: number;
  files = 0;
  bytes = 0;
  #repaired = 0;
  readonly #counts = { wrong: 0, missing: 0, unreadable: 0 };
  readonly #shown: VerifiedFile[] = [];

  constructor(begunAt: number) {
    this.begunAt = begunAt;
  }

  /** What is to be said of it, in a line; undefined: nothing. */
  add(file: VerifiedFile): string | undefined {
    this.files += 1;
    this.bytes += file.size;
    if (file.verdict === 'right') return undefined;
    this.#counts[file.verdict] += 1;
    if (file.isRepaired || isNobodys(file)) this.#repaired += 1;
    if (this.#shown.length < maxShown) this.#shown.push(file);
    return lineOf(file);
  }

  /** Is nothing wrong, any more? What nobody owns is no loss. */
  get isOk(): boolean {
    const { wrong, missing, unreadable } = this.#counts;
    return wrong + missing + unreadable === this.#repaired;
  }

  summary(seconds: number): string {
    const { wrong, missing, unreadable } = this.#counts;
    const all = `checked ${this.files} ${this.files === 1 ? 'file' : 'files'}, ${megabytes(this.bytes)}, in ${seconds.toFixed(1)} s`;
    if (wrong + missing + unreadable === 0) return `${all}: all of them are right\n`;
    return `${all}: ${wrong} wrong, ${missing} missing, ${unreadable} unreadable; ${this.#repaired} of them are no loss or are here again\n`;
  }

  json(seconds: number): string {
    const { files, bytes } = this;
    const found = this.#shown.map(({ digest, verdict, owners, kept, isRepaired, problem, cause }) => ({
      ...{ digest, verdict, repaired: isRepaired, quarantined: kept },
      repositories: owners.map(({ repository }) => shownName(repository)),
      problem: problem ?? (cause instanceof Error ? cause.message : undefined),
    }));
    const shown = { ok: this.isOk, files, bytes, ...this.#counts, seconds, found };
    return `${JSON.stringify(shown, undefined, 2)}\n`;
  }
}

function lineOf(file: VerifiedFile): string {
  const { digest, verdict, owners, kept, problem, cause } = file;
  const whose = isNobodys(file)
    ? 'nobody’s'
    : owners.map(({ repository }) => shownName(repository)).join(', ');
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  const where = kept === undefined ? '' : `, kept as ${kept}`;
  const not = problem === undefined ? '' : `, not fetched again: ${problem}`;
  return `${verdict.toUpperCase()} ${digest} of ${whose}${why}${where}${repairOf(file) ?? not}\n`;
}

function repairOf({ isRepaired, isByServer }: VerifiedFile): string | undefined {
  if (!isRepaired) return undefined;
  return isByServer === true ? ', brought again by a server' : ', fetched again';
}

function isNobodys({ owners, verdict }: VerifiedFile): boolean {
  return owners.length === 0 && verdict !== 'unreadable';
}
