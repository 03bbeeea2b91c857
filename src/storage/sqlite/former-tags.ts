import type { Writes } from './write-statements.ts';

/** Of a tag so many former places are kept. */
export const maxFormerTags = 100;

/** Where tags pointed before they moved or were removed. */
export class FormerTags {
  readonly #statements: Writes;

  constructor(statements: Writes) {
    this.#statements = statements;
  }

  /** Where it points now is history. */
  remember(owner: number, tag: string, why: 'moved' | 'removed'): void {
    const former = this.#statements.getFormerTag.get(owner, tag);
    if (former === undefined) return;
    const { digest, first_seen, last_seen } = former;
    this.#statements.rememberTag.run(owner, tag, digest, first_seen, last_seen, why);
    const behind = this.#statements.formerTagBehind.get(owner, tag, maxFormerTags);
    if (behind !== undefined) this.#statements.forgetFormerTags.run(owner, tag, behind.id);
  }
}
