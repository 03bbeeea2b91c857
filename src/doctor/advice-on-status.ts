import type { Credential } from '../credentials/credentials.ts';
import { identityOf } from '../credentials/identity.ts';
import type { Evidence } from './evidence.ts';

/** What to look at when a registry, or the token server that was asked for it, answered so in the end. */
export function adviceOnStatus(
  status: number,
  evidence: Evidence,
  asked: URL = evidence.origin,
): string | undefined {
  const advice = adviceOnMirror(status, evidence) ?? adviceOnRegistry(status, evidence.who);
  const more = adviceOnProxysAnswer(status, evidence, asked);
  return more === undefined ? advice : [advice, more].join(' ').trimStart();
}

/** Without an entry of its own nobody has a credential for it; what it lacks it may lack by right. */
function adviceOnMirror(status: number, { walk: { by, place } }: Evidence): string | undefined {
  if (by === undefined) return undefined;
  if (status === 404) return mirrorLacks;
  const isStranger = place.registry === undefined && (status === 401 || status === 403);
  return isStranger ? mirrorWantsCredential.replace('HOST', place.host) : undefined;
}

const mirrorLacks = 'It does not have this, or its API is below another path: registries[].endpoints.';
const mirrorWantsCredential =
  'It wants to know who we are, and is never told by what is for another: an entry of its own under registries (name: HOST, auth).';

/**
 * Where there is no tunnel, an answer of the proxy's own looks like one of the registry, unless it is 407. Tinyproxy says 401 to a
 * wrong password. Undefined: it cannot be the proxy's.
 */
export function adviceOnProxysAnswer(
  status: number,
  { proxies, origin }: Evidence,
  asked: URL = origin,
): string | undefined {
  const { proxy, setIn } = proxies.route(asked);
  const mayBe = asked.protocol === 'http:' && (status === 401 || status === 403 || status >= 500);
  if (proxy === undefined || !mayBe) return undefined;
  return `It may be the proxy (${setIn}) that answered so: ${proxyMatters}`;
}

const proxyMatters =
  'the user and password in its URL, its rules. What is to be reached without it: upstream.noProxy, or NO_PROXY.';

function adviceOnRegistry(status: number, who: Credential): string | undefined {
  const name = identityOf(who);
  const isAnonymous = who.kind === 'anonymous';
  if (status >= 500) return 'It is out of order, or what stands before it is: its log, its status page.';
  switch (status) {
    case 400:
      return 'Does it speak TLS at this port? registries[].scheme';
    case 401:
      return isAnonymous ? wantsCredential : refusedCredential(name);
    case 403:
      return isAnonymous ? wantsCredential : forbidden(name);
    case 404:
      return isAnonymous
        ? `Is the name right? Many registries hide private images so from strangers: registries[].auth.`
        : `Is the name right? Many registries hide so what ${name} may not pull.`;
    case 429:
      return isAnonymous
        ? 'The quota of this address is used up. Who logs in has another (registries[].auth); what is cached is served meanwhile.'
        : `The quota of ${name} is used up; what is cached is served meanwhile.`;
    default:
      return undefined;
  }
}

const wantsCredential = 'It wants to know who we are: registries[].auth.';

function refusedCredential(name: string): string {
  return `It was sent ${name} and refused: is the password or token right, not expired, and for this registry?`;
}

function forbidden(name: string): string {
  return `It knows ${name} and refuses: may it pull this repository? A policy may also block the image or this address.`;
}
