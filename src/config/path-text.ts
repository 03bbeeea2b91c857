import type { Path } from './schema-tree.ts';

/** `registries[0].auth.password`; a key that is no word is quoted. */
export function pathText(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[A-Za-z_][\w-]{0,63}$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 64))}]`;
    })
    .join('')
    .replace(/^\./, '');
}
