import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import { Expiring } from '../base/expiring.ts';
import type { Log } from '../base/log.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { RegistryError } from '../oci/error.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../oci/reference.ts';
import type { IncomingCredential } from './incoming-credential.ts';
import { receivedBody } from './received-body.ts';
import { maxEvents, type ToldEvent, toldEvents } from './told-events.ts';
import { knownAs, toldTarget } from './told-target.ts';

export interface IncomingParts {
  readonly credential: IncomingCredential;
  /** The configured registries, by each host under which they are known: their own and those of their mirrors. */
  readonly hosts: ReadonlyMap<string, RegistryHost>;
  /** The cached tags that lead to a manifest, some hundred at most. */
  readonly tagsOf: (repository: RepositoryName, digest: Digest) => Promise<readonly Tag[]>;
  /** Has the tag served by nobody's word but its registry's from now on; settles when that is recorded. */
  readonly doubt: (repository: RepositoryName, tag: Tag) => Promise<void>;
  /** Has the tag looked after. False: too many wait. */
  readonly told: (repository: RepositoryName, tag: Tag) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const maxBytes = 1024 * 1024;
/** A body must have come by then. Milliseconds. */
const bodyMs = 10_000;
/** Bodies that are read at a time: of who has shown the secret, and of whoever may have signed one; of these, from one address. */
const maxReading = 16;
const maxOfOne = 4;
/** Events that were taken are remembered, so many for so long: the same again changes nothing. Milliseconds. */
const maxSeen = 20_000;
const seenMs = 3_600_000;

/**
 * What registries tell us: distribution's envelope, by POST. All that it says is a claim, and all that comes of it is that a registry which is configured
 * is asked about a tag, by us and before anybody is served it as fresh.
 */
export class Incoming implements Disposable {
  readonly #parts: IncomingParts;
  readonly #seen: Expiring<true>;
  readonly #lines: CountedLines;
  #proven = 0;
  /** Addresses from which bodies come whose signature nobody knows yet. */
  readonly #unproven: (string | undefined)[] = [];

  constructor(parts: IncomingParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#seen = new Expiring(clock, maxSeen);
    this.#lines = new CountedLines({ clock, write: (fields, message) => log.warn(fields, message) });
  }

  /** Answers 202 before anybody is asked. Throws UNAUTHORIZED (401), UNSUPPORTED (400, 408, 413, 415), NAME_INVALID (400), UNAVAILABLE (503). */
  readonly take = async (exchange: Exchange): Promise<void> => {
    try {
      const body = await this.#body(exchange);
      const ns = this.#registryIn(exchange);
      const events = toldEvents(parsed(body));
      if (events === undefined)
        throw refused(`the body must be {"events":[…]} with at most ${maxEvents} events`);
      let taken = 0;
      for (const event of events) if (await this.#takeOne(event, ns)) taken += 1;
      exchange.sendJson(202, { taken });
    } catch (error) {
      if (error instanceof RegistryError && error.status < 500) this.#tell(exchange, error);
      throw error;
    }
  };

  #tell({ request, id }: Exchange, { status, message }: RegistryError): void {
    this.#lines.write(
      { id, client: request.socket.remoteAddress, status, problem: message },
      'events were refused',
    );
  }

  /** Of who has shown that he may tell us. */
  async #body(exchange: Exchange): Promise<Buffer> {
    const { credential, clock } = this.#parts;
    const { request, waiting: signal } = exchange;
    const verdict = credential.judge(request.headers, clock.now());
    if (verdict === false) throw unauthorized();
    using _ = verdict === true ? this.#placeOfProven() : this.#placeOf(request.socket.remoteAddress);
    const body = await receivedBody(exchange, { maxBytes, milliseconds: bodyMs, clock, signal });
    if (verdict !== true && !verdict(body)) throw unauthorized();
    return body;
  }

  #placeOfProven(): Disposable {
    if (this.#proven >= maxReading) throw tooMuch();
    this.#proven += 1;
    return {
      [Symbol.dispose]: () => {
        this.#proven -= 1;
      },
    };
  }

  /** What claims to be signed, and is slow to show it, keeps nobody waiting who has the secret or comes from elsewhere. */
  #placeOf(address: string | undefined): Disposable {
    const its = this.#unproven.filter((each) => each === address);
    if (this.#unproven.length >= maxReading || its.length >= maxOfOne) throw tooMuch();
    this.#unproven.push(address);
    return { [Symbol.dispose]: () => void this.#unproven.splice(this.#unproven.indexOf(address), 1) };
  }

  /** Whose events they are, where the URL says it. */
  #registryIn({ query }: Exchange): RegistryHost | undefined {
    const ns = query.get('ns');
    if (ns === null || ns === '') return undefined;
    const registry = this.#parts.hosts.get(knownAs(ns));
    if (registry === undefined) throw new RegistryError('NAME_INVALID', 'ns is no configured registry');
    return registry;
  }

  /** Is somebody asked, or was he for the same event? */
  async #takeOne(event: ToldEvent, ns: RegistryHost | undefined): Promise<boolean> {
    const { doubt, hosts, told } = this.#parts;
    const repository = toldTarget(event, hosts, ns);
    if (repository === undefined) return false;
    const tags = await this.#tagsIn(repository, event);
    const key = event.id === undefined ? undefined : `${repository} ${event.id}`;
    if (tags.length === 0 || (key !== undefined && this.#seen.get(key) === true)) return tags.length > 0;
    // Whoever is answered need not tell us again, though nobody can be asked for long, or this process ends.
    const doubted = Promise.all(tags.map(async (tag) => await doubt(repository, tag)));
    const areTaken = tags.map((tag) => told(repository, tag)).every(Boolean);
    await doubted;
    if (!areTaken) throw tooMuch();
    if (key !== undefined) this.#seen.set(key, true, seenMs);
    return true;
  }

  /** Of what was deleted by its digest distribution names no tag. */
  async #tagsIn(repository: RepositoryName, { tag, digest, action }: ToldEvent): Promise<readonly Tag[]> {
    if (tag !== undefined) return [tag];
    return digest === undefined || action !== 'delete' ? [] : await this.#parts.tagsOf(repository, digest);
  }

  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }
}

/** JSON, whatever the type says: undefined is none. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function refused(message: string): RegistryError {
  return new RegistryError('UNSUPPORTED', message, { status: 400 });
}

function unauthorized(): RegistryError {
  const challenge = 'Bearer realm="ociregistry events"';
  return new RegistryError(
    'UNAUTHORIZED',
    'this is not signed with the secret of notifications.incoming, or too long ago',
    {
      headers: { 'WWW-Authenticate': challenge, Connection: 'close' },
    },
  );
}

function tooMuch(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'too much is told at a time', {
    status: 503,
    headers: { 'Retry-After': '5', Connection: 'close' },
  });
}
