/**
 * How an answer came about; becomes Cache-Status (RFC 9211) and a word in the access log.
 *
 * - `hit`: from the cache, upstream was not asked.
 * - `miss`: fetched from upstream; `collapsed` if another request's fetch was joined.
 * - `revalidated`: from the cache, after upstream said that it is still the same.
 * - `stale`: from the cache though it should have been revalidated; `cause` says in a few words why it was not.
 */
export type Outcome =
  | { readonly kind: 'hit' }
  | { readonly kind: 'miss'; readonly collapsed?: boolean }
  | { readonly kind: 'revalidated' }
  | { readonly kind: 'stale'; readonly cause: string };
