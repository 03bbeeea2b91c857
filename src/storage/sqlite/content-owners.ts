import type { ChangeTotals } from './change-totals.ts';
import type { Writes } from './write-statements.ts';

/** Of what is here each registry counts what one of its repositories owns; all together count it once. */
export class ContentOwners {
  readonly #statements: Pick<Writes, 'hostBehind'>;
  readonly #totals: ChangeTotals;

  constructor(statements: Pick<Writes, 'hostBehind'>, totals: ChangeTotals) {
    this.#statements = statements;
    this.#totals = totals;
  }

  /** By the owners that are known now. False: nobody owns it. */
  count(content: number, sign: 1 | -1, size: number | null): boolean {
    const hosts = [...this.#hostsOf(content)];
    if (hosts.length === 0) return false;
    this.#totals.add([...hosts, ''], { blobs: sign, blobBytes: sign * (size ?? 0) });
    return true;
  }

  *#hostsOf(content: number): Iterable<string> {
    for (let last = ''; ; ) {
      const host = this.#statements.hostBehind.get(content, last)?.host ?? null;
      if (host === null) return;
      yield host;
      last = host;
    }
  }
}
