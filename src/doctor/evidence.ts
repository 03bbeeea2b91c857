import { anonymous, type Credential, type ProvidedCredential } from '../credentials/credentials.ts';
import type { HttpProxy } from '../net/dial/http-proxy.ts';
import type { ProxyChoice } from '../net/dial/proxy-choice.ts';
import type {
  ConnectionEvent,
  ExchangeEvent,
  LookupEvent,
  WireAnswer,
  WireEvent,
} from '../net/wire-event.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Walk } from './walk.ts';

/** Whom a credential was asked of and what came of it. Milliseconds. */
export type CredentialEvidence = { readonly ms: number } & (
  | { readonly provided: ProvidedCredential }
  | { readonly error: unknown }
);

/** `descriptor` of an image; a registry has none. */
export type Outcome = { readonly descriptor: Descriptor | undefined } | { readonly error: unknown };

/** An exchange that was answered. */
export type Answered = ExchangeEvent & { readonly answer: WireAnswer };

/** All that was seen while the server's own code went for the subject. */
export class Evidence {
  readonly walk: Walk;
  /** Where the registry's API is. */
  readonly origin: URL;
  /** Authorities that the configuration adds. */
  readonly caFiles: readonly string[];
  readonly proxies: ProxyChoice;
  credential: CredentialEvidence | undefined;
  readonly events: WireEvent[] = [];
  outcome: Outcome | undefined;
  /** What was noticed besides, each once. */
  readonly notes = new Set<string>();
  /** Milliseconds since the epoch. */
  endedAt = 0;
  /** By how much our clock is ahead of the registry's. Milliseconds. */
  skewMs = 0;

  constructor(walk: Walk, { origin, caFiles, proxies }: Pick<Evidence, 'origin' | 'caFiles' | 'proxies'>) {
    this.walk = walk;
    this.origin = origin;
    this.caFiles = caFiles;
    this.proxies = proxies;
  }

  /** `now` in milliseconds since the epoch. */
  add(event: WireEvent, now: number): void {
    this.events.push(event);
    if (event.kind !== 'exchange' || event.to !== 'registry' || !('status' in event.answer)) return;
    const date = Date.parse(event.answer.headers['date'] ?? '');
    if (!Number.isNaN(date)) this.skewMs = now - date;
  }

  /** Of the registry's own name. */
  get lookup(): LookupEvent | undefined {
    return this.events.findLast(
      (event): event is LookupEvent => event.kind === 'lookup' && event.origin === this.origin.origin,
    );
  }

  /** To the registry itself. */
  get connection(): ConnectionEvent | undefined {
    return this.events.find(
      (event): event is ConnectionEvent => event.kind === 'connection' && event.origin === this.origin.origin,
    );
  }

  /** By which the registry itself is reached. */
  get proxy(): HttpProxy | undefined {
    return this.proxies.of(this.origin);
  }

  exchanges(to: ExchangeEvent['to']): ExchangeEvent[] {
    return this.events.filter(
      (event): event is ExchangeEvent => event.kind === 'exchange' && event.to === to,
    );
  }

  answered(to: ExchangeEvent['to']): Answered[] {
    return this.exchanges(to).filter((exchange): exchange is Answered => 'status' in exchange.answer);
  }

  /** How the last exchange with the registry ended that had no answer, else what ended all. */
  get failure(): { readonly error: unknown; readonly ms: number | undefined; readonly tries: number } {
    const failed = this.exchanges('registry').filter(({ answer }) => 'error' in answer);
    const last = failed.at(-1);
    if (last === undefined || !('error' in last.answer))
      return { error: this.error, ms: undefined, tries: 1 };
    return { error: last.answer.error, ms: last.ms, tries: failed.length };
  }

  get error(): unknown {
    return this.outcome !== undefined && 'error' in this.outcome ? this.outcome.error : undefined;
  }

  get who(): Credential {
    return this.credential !== undefined && 'provided' in this.credential
      ? this.credential.provided.credential
      : anonymous;
  }
}

/** What an answer says of how often we may ask. Docker Hub tells it with each manifest: `ratelimit-remaining: 76;w=21600`. */
export function limitsIn({ headers }: WireAnswer): string[] {
  const { 'ratelimit-limit': limit, 'ratelimit-remaining': remaining, 'retry-after': after } = headers;
  const [count, window] = numbersIn(limit);
  const [left] = numbersIn(remaining);
  return [
    ...(left === undefined
      ? []
      : [`quota: ${left} of ${count ?? '?'} left${window ? ` per ${window} s` : ''}`]),
    ...(after === undefined || !/^[\w ,:]{1,40}$/.test(after)
      ? []
      : [`retry after ${after}${/^\d+$/.test(after) ? ' s' : ''}`]),
  ];
}

function numbersIn(header = ''): string[] {
  return header.slice(0, 100).match(/\d+/g) ?? [];
}
