import { type Clock, systemClock } from '#src/base/clock.ts';
import type { RepositoryName } from '#src/oci/reference.ts';
import { UpstreamRegistry } from '#src/upstream/upstream-registry.ts';
import type { MirrorPlace } from '#src/upstream/upstream-session.ts';
import { type ScriptedAnswer, ScriptedTransport } from './scripted-transport.ts';

export interface PagingBehaviour {
  /** In the order in which it gives them. */
  readonly tags: readonly string[];
  /** More are never on a page, whatever `n` says; absent: it obeys `n`. */
  readonly pageSize?: number;
  /** It gives so many, and asks nobody how many are wanted. */
  readonly ignoresNumber?: boolean;
  /** `behind`: what comes behind it in its own order; `ignored`: the first page again; `refused`: 400. */
  readonly last?: 'behind' | 'ignored' | 'refused';
  /** How it names the next page. `page` is a cursor of its own. */
  readonly link?: 'last' | 'page' | 'none';
  /** Of a Link, without its query. */
  readonly linkPath?: string;
  readonly mirror?: MirrorPlace;
  readonly clock?: Clock;
}

const path = '/v2/library/alpine/tags/list';

/** A registry that pages its tags in one of the ways that are met, and our client of it. */
export class PagingUpstream {
  readonly registry: UpstreamRegistry;
  readonly oddities: string[] = [];
  /** Answers in the place of its own, by the query that was asked; undefined: its own. */
  fault: (query: URLSearchParams, count: number) => ScriptedAnswer | undefined = () => undefined;
  readonly #wire: ScriptedTransport;
  readonly #behaviour: PagingBehaviour;

  constructor(behaviour: PagingBehaviour) {
    this.#behaviour = behaviour;
    this.#wire = new ScriptedTransport(
      ({ url }, count) => this.fault(url.searchParams, count) ?? this.#answer(url.searchParams),
    );
    this.registry = new UpstreamRegistry({
      origin: new URL('https://upstream.example'),
      transport: this.#wire,
      clock: behaviour.clock ?? systemClock,
      onOddity: (message) => void this.oddities.push(message),
      mirror: behaviour.mirror,
    });
  }

  /** `path?query` of each request. */
  get asked(): string[] {
    return this.#wire.requests.map(({ url }) => `${url.pathname}${url.search}`);
  }

  /** The same without the path. */
  get queries(): string[] {
    return this.#wire.requests.map(({ url }) => url.search);
  }

  get unread(): number {
    return this.#wire.unread;
  }

  #answer(query: URLSearchParams): ScriptedAnswer {
    const { tags, pageSize = Number.POSITIVE_INFINITY, last = 'behind', link = 'last' } = this.#behaviour;
    const asked = query.get('last');
    if (asked !== null && last === 'refused') return { status: 400, body: '{}' };
    const from = query.has('page')
      ? Number(query.get('page'))
      : this.#placeBehind(last === 'behind' ? asked : null);
    const wanted = this.#behaviour.ignoresNumber === true ? pageSize : Number(query.get('n') ?? 1000);
    const page = tags.slice(from, from + Math.min(pageSize, wanted));
    const next = from + page.length;
    const { linkPath = path } = this.#behaviour;
    const to = link === 'page' ? `page=${next}` : `n=${query.get('n') ?? 1000}&last=${page.at(-1)}`;
    const headers: Record<string, string> =
      link === 'none' || next >= tags.length ? {} : { link: `<${linkPath}?${to}>; rel="next"` };
    return { status: 200, headers, body: JSON.stringify({ name: 'library/alpine', tags: page }) };
  }

  #placeBehind(last: string | null): number {
    const { tags } = this.#behaviour;
    if (last === null) return 0;
    const place = tags.indexOf(last);
    if (place !== -1) return place + 1;
    const next = tags.findIndex((tag) => tag > last);
    return next === -1 ? tags.length : next;
  }
}

/** Tags by their numbers: `t00000`, … */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `t${String(at).padStart(5, '0')}`);
}

export const alpine = 'docker.io/library/alpine' as RepositoryName;
