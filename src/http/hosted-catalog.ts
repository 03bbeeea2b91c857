import { hostedHost, type RegistryHost, type RepositoryName, shownName } from '../oci/reference.ts';
import type { Catalog } from './handlers/call.ts';

const prefix = `${hostedHost}/`;

/** What is cached, as it is stored: without what lives here, and without these. */
export function withoutHosted(list: Catalog, others: readonly RegistryHost[] = []): Catalog {
  return [hostedHost, ...others].reduce(withoutHost, list);
}

function withoutHost(list: Catalog, host: RegistryHost): Catalog {
  const prefix = `${host}/`;
  // Behind all that begin so.
  const end = `${prefix}~`;
  return async ({ last = '', limit }) => {
    const before = last < prefix ? (await list({ last, limit })).filter((name) => name < prefix) : [];
    if (before.length === limit) return before;
    const after = await list({ last: last > end ? last : end, limit: limit - before.length });
    return [...before, ...after];
  };
}

/** What lives here, by its own names, and what is cached, in one order. `stored`: all, as it is stored; `cached`: what is cached, as it is shown. */
export function withHosted(stored: Catalog, cached: Catalog): Catalog {
  return async ({ last = '', limit }) => {
    const found = await stored({ last: `${prefix}${last}`, limit });
    const own = found
      .filter((name) => name.startsWith(prefix))
      .map((name) => shownName(name as RepositoryName));
    const others = await cached({ last, limit });
    return [...own, ...others].sort((one, other) => (one < other ? -1 : 1)).slice(0, limit);
  };
}
