import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { Addresses } from './addresses.ts';
import { isAnswer } from './lookup-error.ts';
import { addressesIn, namesToAsk, type ResolverFiles, readResolverFiles } from './resolver-files.ts';

/** Asks without a thread. An empty list says nothing: the system may know more. */
export type AskNameServer = (hostname: string, signal: AbortSignal) => Promise<Addresses>;

/** In the place of the system's. */
interface ResolverSettings {
  readonly servers?: readonly string[];
  readonly files?: ResolverFiles;
}

/** For one packet, and how often it is sent to each name server. Milliseconds. */
const packetMs = 500;
const tries = 2;

/**
 * Asks the name servers of the system by a resolver that takes no thread (c-ares), and that can be ended. By itself it knows neither
 * of /etc/hosts nor of search domains: they are read here, so that a name means what it means to the system as far as that may be.
 * The first name to which there is anything but "no such name" ends the search: what is behind it is another host's.
 */
export async function askNameServer(
  hostname: string,
  signal: AbortSignal,
  { servers, files }: ResolverSettings = {},
): Promise<Addresses> {
  const { hosts, resolvConf } = files ?? (await readResolverFiles());
  const listed = addressesIn(hosts, hostname);
  if (listed.length > 0) return listed;
  // One for each question: it reads which servers there are when it is made.
  const resolver = new Resolver({ timeout: packetMs, tries });
  if (servers !== undefined) resolver.setServers([...servers]);
  signal.throwIfAborted();
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for (const name of namesToAsk(hostname, resolvConf)) {
      const found = await addressesOf(resolver, name);
      if (found.length > 0) return found;
    }
    return [];
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** Empty: there is no such name. Rejects where that is not known. */
async function addressesOf(resolver: Resolver, name: string): Promise<Addresses> {
  const answers = await Promise.allSettled([inFamily(resolver, name, 4), inFamily(resolver, name, 6)]);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const failure = answers.find((answer) => answer.status === 'rejected');
  if (found.length === 0 && failure !== undefined) throw failure.reason;
  return found;
}

async function inFamily(resolver: Resolver, name: string, family: 4 | 6): Promise<LookupAddress[]> {
  try {
    const addresses = await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
    return addresses.map((address) => ({ address, family }));
  } catch (error) {
    if (isAnswer(error)) return [];
    throw error;
  }
}
