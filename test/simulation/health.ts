import type { RegistryHost } from '#src/oci/reference.ts';
import type { AskedObject, Fault } from './faults.ts';

/** What a circuit is for. */
export interface RequestKind {
  /** `GET blob` */
  readonly kind: string;
  /** The server that asks: each has circuits of its own. */
  readonly by: string;
}

/** A fault that a request really met. */
interface Application extends AskedObject, RequestKind {
  readonly fault: Fault;
  readonly from: number;
  /** When the request was over; until then it goes on. */
  to: number;
  /** When the next request of its kind was answered. */
  healedAt: number;
}

/** What a client wants to know of upstream. Times in fake milliseconds. */
export interface HealthQuestion {
  readonly host: RegistryHost;
  readonly objects: readonly string[];
  readonly what: 'manifest' | 'blob';
  /** The server that was asked. */
  readonly by: string;
  readonly from: number;
  readonly to: number;
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
  'headAbsent',
  'headEmpty',
  'headMute',
  'falseDigest',
  'contradiction',
  'drip',
]);
/** Faults that another try does not meet: one alone is no excuse. */
const maskable = new Set<Fault['kind']>(['reset', 'cut']);
/** Whatever else is wrong with a mirror is not for clients. */
const binding = new Set<Fault['kind']>(['flip']);
/** No answer at all: a server may take several objects in a row that have none for a host that has none. */
const mute = new Set<Fault['kind']>(['refused', 'reset', 'garbage', 'silence']);

/** Which faults were met, and hence whose failure is excused by upstream’s. */
export class Health {
  #met: Application[] = [];

  /** Returns what says that the request is over. */
  meet(fault: Fault, asked: AskedObject, { kind, by }: RequestKind, time: number): (time: number) => void {
    const never = Number.POSITIVE_INFINITY;
    const application: Application = { ...asked, fault, kind, by, from: time, to: never, healedAt: never };
    this.#met.push(application);
    return (end) => {
      application.to = end;
    };
  }

  /** A request of this kind was answered, and not with a limit. One that was sent before says nothing of a fault, and what another server was answered this one does not know. */
  answered(host: RegistryHost, { kind, by }: RequestKind, sentAt: number, time: number): void {
    for (const met of this.#met) {
      const isHealed = met.host === host && met.kind === kind && met.by === by && met.to <= sentAt;
      if (isHealed) met.healedAt = Math.min(met.healedAt, time);
    }
  }

  /** Was upstream at fault for something that was asked for in this time? Then what it did. */
  excuse(question: HealthQuestion): Fault | undefined {
    const { host, objects, from, to } = question;
    const known = this.#met.filter(
      (met) => (met.host === host || binding.has(met.fault.kind)) && met.from <= to,
    );
    const recent = known.filter((met) => met.to + aftermathMs(met.fault) >= from);
    const own = recent.filter(
      ({ fault, object, host: at }) =>
        !harmless.has(fault.kind) && ((at === host && isOfHost(fault)) || objects.includes(object)),
    );
    const lone = own.length === 1 && own[0] !== undefined && isMaskable(own[0].fault);
    return (lone ? undefined : own[0]?.fault) ?? resting(known, question);
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

/**
 * What keeps a server from asking: a fault of the whole host, or of several objects in a row, until a request of the kind was
 * answered. That is seconds after upstream is well, and longer where nobody asks.
 */
function resting(
  known: readonly Application[],
  { host, objects, what, by, from }: HealthQuestion,
): Fault | undefined {
  const open = known.filter(
    ({ fault, kind, healedAt, ...met }) =>
      met.host === host &&
      met.by === by &&
      (mute.has(fault.kind) || fault.status === 429) &&
      (kind.endsWith(what) || kind.endsWith('token')) &&
      healedAt >= from,
  );
  const ofHost = open.find(({ fault, object }) => isOfHost(fault) || objects.includes(object));
  if (ofHost !== undefined) return ofHost.fault;
  return new Set(open.map(({ object }) => object)).size > 1 ? open[0]?.fault : undefined;
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
