import ipaddr from 'ipaddr.js';
import { literalAddress } from './address.ts';

type Matcher = (url: URL) => boolean;

/**
 * What is reached without the proxy, in the notation of NO_PROXY as Go reads it: `*`, `example.com` (and what is below it),
 * `.example.com` (only what is below it), an address, a block of addresses; all but the last with a port or without. Names are
 * not resolved. What cannot be read covers nothing.
 */
export class NoProxy {
  readonly #matchers: readonly { readonly entry: string; readonly matches: Matcher }[];

  constructor(entries: readonly string[]) {
    this.#matchers = entries
      .map((entry) => entry.trim().toLowerCase())
      .map((entry) => ({ entry, matches: matcherOf(entry) }));
  }

  covers(url: URL): boolean {
    return this.entryFor(url) !== undefined;
  }

  /** The first entry that covers it. */
  entryFor(url: URL): string | undefined {
    return this.#matchers.find(({ matches }) => matches(url))?.entry;
  }
}

function matcherOf(entry: string): Matcher {
  if (entry === '*') return () => true;
  if (ipaddr.isValidCIDR(entry)) return blockMatcher(entry);
  const [, host = entry, port] =
    literalAddress(entry) === undefined ? (/^(.+):(\d{1,5})$/.exec(entry) ?? []) : [];
  const matchesHost = hostMatcher(host);
  return (url) => (port === undefined || port === portOf(url)) && matchesHost(url);
}

function blockMatcher(entry: string): Matcher {
  const [block, bits] = ipaddr.parseCIDR(entry);
  return ({ hostname }) => {
    const literal = literalAddress(hostname);
    const address = literal === undefined ? undefined : ipaddr.process(literal);
    return address?.kind() === block.kind() && address.match(block, bits);
  };
}

function hostMatcher(host: string): Matcher {
  const literal = literalAddress(host);
  if (literal !== undefined) return ({ hostname }) => normalAddress(hostname) === normalAddress(literal);
  const suffix = host.replace(/^\*?\.|\.$/g, '');
  const isBelowOnly = /^\*?\./.test(host);
  return ({ hostname }) => {
    const name = hostname.replace(/\.$/, '');
    return suffix !== '' && ((!isBelowOnly && name === suffix) || name.endsWith(`.${suffix}`));
  };
}

function normalAddress(hostname: string): string | undefined {
  const literal = literalAddress(hostname);
  return literal === undefined ? undefined : ipaddr.process(literal).toString();
}

function portOf({ port, protocol }: URL): string {
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}
