import type { RegistryHost } from '#src/oci/reference.ts';
import type { AskedObject, Fault } from './faults.ts';

/** A fault that a request really met. */
interface Application extends AskedObject {
  readonly fault: Fault;
  readonly from: number;
  /** When the request was over; until then it goes on. */
  to: number;
}

/** What a server behind may make of a fault, and for how long. Milliseconds. */
const probeMs = 2000;
const negativeMs = 10_000;
const slackMs = 1500;

/** Faults that leave an answer right: nobody is excused by them. */
const harmless = new Set<Fault['kind']>([
  'slow',
  'noRange',
  'headRefused',
  'headMute',
  'falseDigest',
  'contradiction',
]);
/** Faults that another try does not meet: one alone is no excuse. */
const maskable = new Set<Fault['kind']>(['reset', 'cut']);
/** No answer at all: a server may take several objects in a row that have none for a host that has none. */
const mute = new Set<Fault['kind']>(['refused', 'reset', 'garbage', 'silence']);

/** Which faults were met, and hence whose failure is excused by upstream’s. */
export class Health {
  #met: Application[] = [];

  /** Returns what says that the request is over. */
  meet(fault: Fault, asked: AskedObject, time: number): (time: number) => void {
    const application: Application = { ...asked, fault, from: time, to: Number.POSITIVE_INFINITY };
    this.#met.push(application);
    return (end) => {
      application.to = end;
    };
  }

  /** Was upstream at fault for something that was asked for in this time? Then what it did. */
  excuse(host: RegistryHost, objects: readonly string[], from: number, to: number): Fault | undefined {
    const recent = this.#met.filter(
      (met) => met.host === host && met.from <= to && met.to + aftermathMs(met.fault) >= from,
    );
    const silent = recent.filter(({ fault }) => mute.has(fault.kind));
    if (new Set(silent.map(({ object }) => object)).size > 1) return silent[0]?.fault;
    const own = recent.filter(
      ({ fault, object }) => !harmless.has(fault.kind) && (isOfHost(fault) || objects.includes(object)),
    );
    const lone = own.length === 1 && own[0] !== undefined && isMaskable(own[0].fault);
    return lone ? undefined : own[0]?.fault;
  }

  /** Was this very fault met by a request for one of these objects in this time? */
  hasMet(kind: Fault['kind'], objects: readonly string[], from: number, to: number): boolean {
    return this.#met.some(
      (met) => met.fault.kind === kind && objects.includes(met.object) && met.from <= to && met.to >= from,
    );
  }

  /** Did this host ever do anything that is out of the ordinary? */
  wasEverOdd(host: RegistryHost): boolean {
    return this.#met.some((met) => met.host === host);
  }

  /** Has nothing happened that could harm this host, ever? */
  wasAlwaysWell(host: RegistryHost): boolean {
    return !this.#met.some((met) => met.host === host && !harmless.has(met.fault.kind));
  }
}

/** Does it say something of the whole host? */
function isOfHost({ object, status, kind }: Fault): boolean {
  return object === undefined || status === 429 || kind === 'refused';
}

function isMaskable({ kind, status = 0 }: Fault): boolean {
  return maskable.has(kind) || (kind === 'status' && [500, 502, 503, 504].includes(status));
}

function aftermathMs(fault: Fault): number {
  if (fault.status === 429) return Math.max(probeMs, (fault.retryAfter ?? 0) * 1000) + slackMs;
  if (fault.status === 404) return negativeMs + slackMs;
  return (isOfHost(fault) || mute.has(fault.kind) ? probeMs : 0) + slackMs;
}
