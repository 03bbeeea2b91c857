import { dockerHub } from '../oci/docker-hub.ts';
import { hostIn } from '../oci/judged-name.ts';
import { textGlob } from '../oci/name-glob.ts';
import { looksLikeHost } from '../oci/reference.ts';

/** What else of the configuration says which names there can be. */
export interface PossibleNames {
  /** Globs of what lives here. */
  readonly hosted: readonly string[];
  /** Registries by their aliases. */
  readonly aliases: ReadonlyMap<string, string>;
  /** How clients call this server; names are judged without it. */
  readonly own: string | undefined;
}

const magic = /[*?[\\]/;
const choice = /\[[!^]?[^\]/]+\]/g;
const part = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * Why a glob of repositories can match none, with what to write in its place; undefined: it may match some. A rule that keeps out and never matches is an open door, so
 * that this is no matter of taste.
 */
export function faultOfGlob(glob: string, names: PossibleNames): string | undefined {
  const [first = '', ...path] = glob.split('/');
  return (
    faultOfText(glob, first) ??
    faultOfParts(first, path) ??
    (magic.test(first) && hostIn(first) === undefined
      ? faultOfPattern(first, path, names)
      : looksLikeHost(first)
        ? faultOfRegistry(first, path, names)
        : faultOfName(first, path, names))
  );
}

/** The same of a tag part. */
export function faultOfTagGlob(glob: string): string | undefined {
  const other = /[^A-Za-z0-9_.*?-]/.exec(glob.replaceAll(choice, ''))?.[0];
  if (other !== undefined) return `has ${JSON.stringify(other)} in its tag part, which no tag has`;
  return glob === '' ? 'has no tag behind its colon' : undefined;
}

function faultOfText(glob: string, first: string): string | undefined {
  if (glob.includes('://')) return 'is a URL: write it without what stands in front of the host';
  if (glob.includes('@')) return 'has a digest: rules are about names';
  const host = hostIn(first) === undefined ? '' : first;
  // An address may have brackets of its own.
  const plain = glob.slice(host.length).replaceAll(choice, '');
  if (/[A-Z]/.test(host + plain)) return `has capitals, which no name has: write ${glob.toLowerCase()}`;
  const other = /[^a-z0-9_./:*?-]/.exec(plain)?.[0];
  if (other === undefined) return undefined;
  const instead = /[{},()|]/.test(other) ? ': write a glob for each' : '';
  return `has ${JSON.stringify(other)}, which no name has${instead}`;
}

function faultOfParts(first: string, path: readonly string[]): string | undefined {
  const parts = [first, ...path];
  if (parts.includes('')) return 'has nothing between two slashes, or at an end';
  const stuck = parts.find((one) => one.includes('**') && one !== '**');
  if (stuck !== undefined)
    return `has ${stuck}, where ** is no more than *: for any number of parts it stands alone, as in a/**`;
  if (path.some((one) => one.includes(':')))
    return 'has a colon within a name: it stands in front of a port, or of the tag part at the end of all';
  const odd = path.find((one) => !magic.test(one) && !part.test(one));
  return odd === undefined ? undefined : `has the part ${JSON.stringify(odd)}, which no name has`;
}

/** Names of registries have two parts at least. */
function faultOfPattern(first: string, path: readonly string[], names: PossibleNames): string | undefined {
  if (first.endsWith(':443'))
    return `is judged without the usual port: write ${first.slice(0, -':443'.length)}/${path.join('/')}`;
  if (path.length > 0 || first === '**' || livesHere([first], names)) return undefined;
  return 'matches names of one part alone, which no registry has: write **';
}

function faultOfRegistry(first: string, path: readonly string[], { own }: PossibleNames): string | undefined {
  if (own === first)
    return `begins with this server itself (publicUrl), without which names are judged: write ${path.join('/') || '**'}`;
  if (path.length === 0) return `names a registry, and no repository in it: write ${first}/**`;
  const host = hostIn(first);
  if (host === undefined) return `begins with ${JSON.stringify(first)}, which is no host of a registry`;
  const [one = '', ...more] = path;
  return host === dockerHub && more.length === 0 && one !== '**'
    ? `matches nothing, since the images of Docker Hub that have no owner lie below library: write docker.io/library/${one}`
    : undefined;
}

function faultOfName(first: string, path: readonly string[], names: PossibleNames): string | undefined {
  const registry = names.aliases.get(first);
  if (registry !== undefined)
    return `begins with the alias ${first}, by which names are not judged: write ${registry}/${path.join('/') || '**'}`;
  if (livesHere([first, ...path], names)) return undefined;
  const instead = `docker.io/${path.length === 0 ? `library/${first}` : `${first}/${path.join('/')}`}`;
  return `names no registry, and nothing that lives here (hosted) is called so: put the registry in front, as in ${instead}`;
}

function livesHere(parts: readonly string[], { hosted }: PossibleNames): boolean {
  return hosted.some((glob) => mayMeet(parts, glob.split('/')));
}

/** Could one name match both? Each by its parts; two patterns of one part are taken to. */
function mayMeet(one: readonly string[], other: readonly string[]): boolean {
  /** Of what is left of both from there on, the ends first. */
  let below: boolean[] = [];
  for (let at = one.length; at >= 0; at -= 1) {
    const row: boolean[] = [];
    for (let to = other.length; to >= 0; to -= 1) {
      const [left, right] = [one[at], other[to]];
      const [skipLeft = false, skipRight = false, skipBoth = false] = [below[to], row[to + 1], below[to + 1]];
      if (left === undefined && right === undefined) row[to] = true;
      // At the end it is one part or more.
      else if (left === '**' && at + 1 === one.length) row[to] = right !== undefined;
      else if (right === '**' && to + 1 === other.length) row[to] = left !== undefined;
      else if (left === '**' || right === '**')
        row[to] = (left !== undefined && skipLeft) || (right !== undefined && skipRight);
      else row[to] = left !== undefined && right !== undefined && partsMeet(left, right) && skipBoth;
    }
    below = row;
  }
  return below[0] === true;
}

function partsMeet(one: string, other: string): boolean {
  const [isPattern, isOther] = [magic.test(one), magic.test(other)];
  if (isPattern && isOther) return true;
  if (isPattern) return textGlob(one)(other);
  return isOther ? textGlob(other)(one) : one === other;
}
