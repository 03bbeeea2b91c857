import { LRUCache } from 'lru-cache';
import type { ByteRange, RangeSpec } from '../oci/registry.ts';

/** How what is missing of a blob is asked for: `bytes=N-`, `bytes=N-M`, or all of it, for what is here already is thrown away. */
export type ResumeForm = 'open' | 'closed' | 'whole';

/** The cheapest first: some servers know only closed ranges (go-containerregistry), some refuse any (a firewall, a CDN). */
const allForms: readonly ResumeForm[] = ['open', 'closed', 'whole'];
/** So many blobs are remembered. */
const maxBlobs = 1000;

interface Memory {
  /** What was refused when another form was answered. */
  readonly refused: ReadonlySet<ResumeForm>;
  /** How often a resume at this byte was begun. */
  readonly at: number;
  readonly tries: number;
}

const nothing: Memory = { refused: new Set(), at: -1, tries: 0 };

/**
 * What is known of resuming each blob. Nothing is asked in the same way twice in vain: a form that was refused is left out
 * from then on, and a resume that begins where the last one did, which brought nothing, begins with the next form. When all that
 * are left have brought nothing there, those that were refused come again: the whole alone does not get further than the link
 * carries before it breaks, and who refused may be one of several servers behind a name.
 */
export class ResumeForms {
  readonly #blobs = new LRUCache<string, Memory>({ max: maxBlobs });

  /** In the order in which to try them; never none. */
  at(blob: string, from: number): readonly ResumeForm[] {
    const { refused, at, tries } = this.#blobs.get(blob) ?? nothing;
    const left = allForms.filter((form) => !refused.has(form));
    const vain = at === from ? tries : 0;
    return vain < left.length ? rotated(left, vain) : rotated(allForms, vain - left.length);
  }

  /**
   * One was answered, or broken off, and then it is undefined; `refused` are those that were refused where this one was not. The whole
   * is never left out.
   */
  begun(blob: string, from: number, answered?: ResumeForm, refused: readonly ResumeForm[] = []): void {
    const known = this.#blobs.get(blob) ?? nothing;
    const tries = known.at === from ? known.tries + 1 : 1;
    const all = new Set([...known.refused, ...refused]).difference(new Set([answered, 'whole']));
    this.#blobs.set(blob, { refused: all, at: from, tries });
  }

  /** Another transfer begins: upstream may have changed. */
  forget(blob: string): void {
    this.#blobs.delete(blob);
  }
}

function rotated(forms: readonly ResumeForm[], by: number): readonly ResumeForm[] {
  const first = by % forms.length;
  return [...forms.slice(first), ...forms.slice(0, first)];
}

/**
 * Undefined: no Range at all, which is also what a closed range comes to where the size is not known. What is needed only up to `last`
 * is closed at once.
 */
export function rangeFor(
  form: ResumeForm,
  from: number,
  last: number | undefined,
  size: number | undefined,
): RangeSpec | undefined {
  if (form === 'open') return { first: from, last };
  return form === 'closed' && size !== undefined && from < size
    ? ({ first: from, last: size - 1 } satisfies ByteRange)
    : undefined;
}

/** May an answer of this status be about the Range, and not about the blob, or who asks, or how often? */
export function mayRefuseRange(status: number): boolean {
  if (status >= 200 && status < 400) return true;
  if (status === 501) return true;
  return status >= 400 && status < 500 && ![401, 404, 408, 410, 429].includes(status);
}
