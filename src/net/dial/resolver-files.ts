import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { readBoundedFile } from '../../base/bounded-file.ts';

/** What the system's resolver goes by: hosts(5) and resolv.conf(5). */
export interface ResolverFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

/** Bytes; who lists more is not guessed at. */
const maxBytes = 256 * 1024;
/** As the system's resolver has it. */
const maxDots = 15;
const maxSearched = 10;

/** Rejects where one of them cannot be read, or is too long. */
export async function readResolverFiles(): Promise<ResolverFiles> {
  const [hosts, resolvConf] = await Promise.all(['/etc/hosts', '/etc/resolv.conf'].map(textOf));
  return { hosts: hosts ?? '', resolvConf: resolvConf ?? '' };
}

/** The addresses that stand beside a name. */
export function addressesIn(hosts: string, hostname: string): LookupAddress[] {
  const wanted = withoutDot(hostname);
  return linesOf(hosts).flatMap(([address = '', ...names]) => {
    const family = isIP(address);
    const isIt = names.some((name) => withoutDot(name) === wanted);
    return family === 0 || !isIt ? [] : [{ address, family }];
  });
}

/**
 * Under which names a name may be, in turn: as it is and below each search domain. One that has few dots (in a pod: fewer than five)
 * is as it is the last of them; one that ends with a dot is only that.
 */
export function namesToAsk(hostname: string, resolvConf: string): string[] {
  if (hostname.endsWith('.')) return [hostname];
  const below = searched(resolvConf).map((domain) => `${hostname}.${domain}`);
  const dots = hostname.split('.').length - 1;
  return dots >= dotsIn(resolvConf) ? [hostname, ...below] : [...below, hostname];
}

/** The last line counts. */
function searched(resolvConf: string): string[] {
  const last = linesOf(resolvConf).findLast(([key]) => key === 'search' || key === 'domain') ?? [];
  const domains = last.slice(1, 1 + maxSearched).map(withoutDot);
  return domains.filter((domain) => domain !== '');
}

function dotsIn(resolvConf: string): number {
  const options = linesOf(resolvConf).flatMap(([key, ...words]) => (key === 'options' ? words : []));
  const said = options.findLast((word) => /^ndots:\d+$/.test(word));
  return said === undefined ? 1 : Math.min(maxDots, Number(said.slice('ndots:'.length)));
}

/** The words of each line, without comments. */
function linesOf(text: string): string[][] {
  const lines = text.split('\n').map((line) => line.replace(/[#;].*/, '').trim());
  return lines.filter((line) => line !== '').map((line) => line.split(/\s+/));
}

function withoutDot(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

async function textOf(path: string): Promise<string> {
  try {
    return (await readBoundedFile(path, maxBytes)).toString('utf8');
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return '';
    throw error;
  }
}
