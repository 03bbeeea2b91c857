import { judgedHost } from '../oci/judged-name.ts';
import { looksLikeHost, type RegistryHost } from '../oci/reference.ts';
import type { Catalog } from './handlers/call.ts';

/** Behind every character of a repository's name. */
const end = '~';

/** So many names are read at a time where the end of a stretch may come before that of the page. */
const slice = 500;

/** Names between two others (both exclusive, as they are stored) that are shown with one beginning in place of another. */
interface Stretch {
  readonly after: string;
  readonly before: string;
  readonly stored: string;
  readonly shown: string;
}

/**
 * The catalogue in names that can be pulled: no client takes `host:port` for a part of a repository's name (the grammar of
 * `<name>` has no colon), nor `registry/app` for one of a registry, so these go by their alias. The order, and what `last` stands in, is that of the names
 * as they are shown. What is stored under a host that is called like such an alias cannot be pulled by its name and is left out.
 */
export function pullableCatalog(list: Catalog, aliases: ReadonlyMap<string, RegistryHost>): Catalog {
  const stretches = stretchesOf(aliases);
  if (stretches.length === 1) return list;
  return async ({ last = '', limit }) => {
    const names: string[] = [];
    for (const stretch of stretches) {
      if (shownAs(stretch.before, stretch) <= last) continue;
      if (names.length === limit) break;
      names.push(...(await namesIn(stretch, { last, limit: limit - names.length }, list)));
    }
    return names;
  };
}

/** What names in such a catalogue begin with, for a beginning of names as rules have them. */
export function shownBeginnings(
  aliases: ReadonlyMap<string, RegistryHost>,
): (beginning: string) => readonly string[] {
  const renamed = [...aliases]
    .filter(([, host]) => goesByAlias(host))
    .map(([alias, host]) => ({ alias: `${alias}/`, judged: `${judgedHost(host)}/` }));
  return (beginning) => [
    beginning,
    ...renamed.flatMap(({ alias, judged }) => {
      if (judged.startsWith(beginning)) return [alias];
      return beginning.startsWith(judged) ? [alias + beginning.slice(judged.length)] : [];
    }),
  ];
}

/** Without a gap and in the order of what is shown: what is called otherwise, and between that the rest. */
function stretchesOf(aliases: ReadonlyMap<string, RegistryHost>): Stretch[] {
  const renamed = [...aliases]
    .filter(([, host]) => goesByAlias(host))
    .map(([alias, host]) => ({ stored: `${host}/`, shown: `${alias}/` }));
  const taken = renamed.flatMap(({ stored, shown }) => [stored, shown]).sort();
  const rest = [...taken, end].map((before, index) => ({
    after: index === 0 ? '' : `${taken[index - 1]}${end}`,
    before,
    stored: '',
    shown: '',
  }));
  const others = renamed.map((names) => ({ ...names, after: names.stored, before: names.stored + end }));
  return [...rest, ...others].sort((a, b) => (shownAs(a.after, a) < shownAs(b.after, b) ? -1 : 1));
}

function goesByAlias(host: RegistryHost): boolean {
  return host.includes(':') || !looksLikeHost(host);
}

async function namesIn(
  stretch: Stretch,
  { last, limit }: { last: string; limit: number },
  list: Catalog,
): Promise<string[]> {
  const { after, before, stored, shown } = stretch;
  const names: string[] = [];
  let from = last > shownAs(after, stretch) ? stored + last.slice(shown.length) : after;
  while (names.length < limit) {
    const wanted = Math.min(slice, limit - names.length);
    const found = (await list({ last: from, limit: wanted })).filter((name) => name < before);
    for (const name of found) names.push(shownAs(name, stretch));
    from = found.at(-1) ?? before;
    if (found.length < wanted) break;
  }
  return names;
}

function shownAs(name: string, { stored, shown }: Stretch): string {
  return shown + name.slice(stored.length);
}
