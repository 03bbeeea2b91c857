import { createHash } from 'node:crypto';

/**
 * The Content-Security-Policy (level 3) of our own pages: nothing is loaded, nothing runs, nobody frames them; their one style is known by its hash.
 * `formAction`: where a page's form leads, as the policy says it.
 */
export function pagePolicy(style: string): (formAction: string) => string {
  const hash = createHash('sha256').update(style).digest('base64');
  return (formAction) =>
    [
      "default-src 'none'",
      `style-src 'sha256-${hash}'`,
      "base-uri 'none'",
      `form-action ${formAction}`,
      "frame-ancestors 'none'",
    ].join('; ');
}
