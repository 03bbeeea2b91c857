import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { networkOf } from '../../base/network-of.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Soon } from '../../base/soon.ts';
import type { RegistryError } from '../../oci/error.ts';
import type { Subject } from '../subject.ts';
import type { Proof, Prove, Refused } from './proof.ts';

/** What a caller shows. */
export interface Shown {
  readonly address: string | undefined;
  /** The header Authorization: a secret. */
  readonly authorization: string | undefined;
}

export type Scheme = 'basic' | 'bearer';

/** Why somebody is not let in: for the one who asked for this. */
export type Refuse = (scheme: Scheme | undefined, why: string) => RegistryError;

export interface IdentificationParts {
  readonly clock: Clock;
  readonly schemes: Readonly<Partial<Record<Scheme, Prove>>>;
}

/** So many are remembered of each scheme that were right, of so many bytes together, about; a token may name hundreds of groups. */
const maxRight = 10_000;
const maxRightBytes = 16 * 1024 * 1024;
/** So many that were wrong, so long; milliseconds. */
const maxWrong = 2000;
const wrongMs = 10_000;

interface Right {
  readonly proof: Proof;
  /** Where it is remembered: tokens, of which one client may have any number, push out no password. */
  readonly among: Expiring<Right>;
  /** Bytes, about. */
  readonly weight: number;
  /** As he asked last: the same one is known by it again. */
  subject: Subject;
}

/**
 * Who asks. What was found right is remembered as a keyed hash, and known again at once; what was wrong for some seconds, for a client with an old password
 * shows it again and again.
 */
export class Identification {
  readonly #parts: IdentificationParts;
  readonly #key = randomBytes(32);
  readonly #right: Readonly<Record<Scheme, Expiring<Right>>>;
  readonly #wrong: Expiring<Refused>;
  readonly #looks = new SingleFlight<string, Proof | Refused>();

  constructor(parts: IdentificationParts) {
    this.#parts = parts;
    this.#right = { basic: remembered(parts.clock), bearer: remembered(parts.clock) };
    this.#wrong = new Expiring(parts.clock, maxWrong);
  }

  /** Whoever shows nothing is nobody in particular. Throws what `refuse` makes of what is wrong; 429 and 503 where it cannot be said. */
  identify({ address, authorization }: Shown, refuse: Refuse): Soon<Subject> {
    if (authorization === undefined) return { id: undefined, by: 'nothing', groups: [], address };
    const key = createHmac('sha256', this.#key).update(authorization).digest('base64');
    const right = this.#right.basic.get(key) ?? this.#right.bearer.get(key);
    if (right?.proof.holds() === true) {
      if (right.proof.renewed) right.among.set(key, right, right.proof.forMs);
      return subjectOf(right, address);
    }
    return this.#looked(key, authorization, address, refuse);
  }

  async #looked(
    key: string,
    authorization: string,
    address: string | undefined,
    refuse: Refuse,
  ): Promise<Subject> {
    const [scheme, shown] = partsOf(authorization);
    const prove = scheme && this.#parts.schemes[scheme];
    if (scheme === undefined || prove === undefined)
      throw refuse(scheme, 'credentials of this kind are not taken here');
    const owner = networkOf(address ?? '');
    const known = this.#wrong.get(key);
    if (known?.holds?.() === true) throw refuse(scheme, known.why);
    const found = await this.#looks.run(key, async () => await prove(shown, owner));
    if ('why' in found) {
      if (found.holds !== undefined) this.#wrong.set(key, found, wrongMs);
      throw refuse(scheme, found.why);
    }
    if (!found.holds()) throw refuse(scheme, 'this is not right any more');
    const among = this.#right[scheme];
    const subject = { ...found.known, address };
    const right: Right = { proof: found, among, weight: weightOf(subject), subject };
    among.set(key, right, found.forMs);
    return right.subject;
  }
}

function remembered(clock: Clock): Expiring<Right> {
  return new Expiring(clock, maxRight, { most: maxRightBytes, of: ({ weight }) => weight });
}

/** What it takes beside its texts: objects, lists, the entry itself. */
function weightOf(subject: Subject): number {
  return 512 + 4 * JSON.stringify(subject).length;
}

function subjectOf(right: Right, address: string | undefined): Subject {
  if (right.subject.address !== address) right.subject = { ...right.proof.known, address };
  return right.subject;
}

function partsOf(authorization: string): [scheme: Scheme | undefined, shown: string] {
  const [, scheme = '', shown = ''] = /^(basic|bearer) +(\S+) *$/i.exec(authorization) ?? [];
  return [scheme === '' ? undefined : (scheme.toLowerCase() as Scheme), shown];
}
