import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { networkOf } from '../../base/network-of.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Soon } from '../../base/soon.ts';
import type { RegistryError } from '../../oci/error.ts';
import { SecretHashes } from '../secret-hashes.ts';
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

/** What containers/image (Podman, CRI-O, skopeo) sends, once it was asked, where it has no password: nothing. */
const nobodys = 'Basic Og==';

/** So many are remembered of each scheme that were right, of so many bytes together, about; a token may name hundreds of groups. */
const maxRight = 10_000;
const maxRightBytes = 16 * 1024 * 1024;
/** So many that were wrong, so long; milliseconds. */
const maxWrong = 2000;
const wrongMs = 10_000;
/** Of so many networks that have shown what is right, the last, it is remembered that they have. */
const maxNetworks = 16;

interface Right {
  readonly proof: Proof;
  /** Where it is remembered: tokens, of which one client may have any number, push out no password. */
  readonly among: Expiring<Right>;
  /** Bytes, about. */
  readonly weight: number;
  /** As he asked last: the same one is known by it again. */
  subject: Subject;
  /** From where it was shown, in their order. */
  readonly networks: Set<string>;
}

/**
 * Who asks. What was found right is remembered as a keyed hash, and known again at once; what was wrong for some seconds, for a client with an old password
 * shows it again and again.
 */
export class Identification {
  readonly #parts: IdentificationParts;
  readonly #hashes = new SecretHashes();
  readonly #right: Readonly<Record<Scheme, Expiring<Right>>>;
  readonly #wrong: Expiring<Refused>;
  readonly #looks = new SingleFlight<string, Proof | Refused>();

  constructor(parts: IdentificationParts) {
    this.#parts = parts;
    this.#right = { basic: remembered(parts.clock), bearer: remembered(parts.clock) };
    this.#wrong = new Expiring(parts.clock, maxWrong);
  }

  /**
   * Whoever shows nothing is nobody in particular. `beforeLook`: asked where what is shown is not known yet. Throws what it throws, and what `refuse` makes of
   * what is wrong; 429 and 503 where it cannot be said.
   */
  identify(shown: Shown, refuse: Refuse, beforeLook: () => Soon<void> = () => {}): Soon<Subject> {
    const { address, authorization } = shown;
    if (authorization === undefined || authorization === nobodys)
      return { id: undefined, by: 'nothing', groups: [], address };
    const key = this.#hashes.of(authorization);
    return this.#known(key, address) ?? this.#looked(key, { address, authorization }, refuse, beforeLook);
  }

  #known(key: string, address: string | undefined): Subject | undefined {
    const right = this.#right.basic.get(key) ?? this.#right.bearer.get(key);
    if (right?.proof.holds() !== true || !isTakenFrom(right, address)) return undefined;
    if (right.proof.renewed) right.among.set(key, right, right.proof.forMs);
    return subjectOf(right, address);
  }

  async #looked(
    key: string,
    { address, authorization }: Shown & { readonly authorization: string },
    refuse: Refuse,
    beforeLook: () => Soon<void>,
  ): Promise<Subject> {
    const [scheme, shown] = partsOf(authorization);
    const prove = scheme && this.#parts.schemes[scheme];
    if (scheme === undefined || prove === undefined)
      throw refuse(scheme, 'credentials of this kind are not taken here');
    const allowed = beforeLook();
    if (allowed !== undefined) {
      await allowed;
      // Another may have looked meanwhile.
      const subject = this.#known(key, address);
      if (subject !== undefined) return subject;
    }
    const owner = networkOf(address ?? '');
    const known = this.#wrong.get(key);
    if (known?.holds?.() === true) throw refuse(scheme, known.why);
    const found = await this.#looks.run(key, async () => await prove(shown, owner));
    if ('why' in found) {
      if (found.holds !== undefined) this.#wrong.set(key, found, wrongMs);
      throw refuse(scheme, found.why);
    }
    if (!found.holds()) throw refuse(scheme, 'this is not right any more');
    // It was looked at for somebody else, too, and is not looked at for him.
    if (found.isTakenFrom?.(owner) === false) await prove(shown, owner);
    const among = this.#right[scheme];
    const subject = { ...found.known, address };
    const networks = new Set([owner]);
    const right: Right = { proof: found, among, weight: weightOf(subject), subject, networks };
    among.set(key, right, found.forMs);
    return right.subject;
  }
}

function remembered(clock: Clock): Expiring<Right> {
  return new Expiring(clock, maxRight, { most: maxRightBytes, of: ({ weight }) => weight });
}

/** What it takes beside its texts: objects, lists, the entry itself. */
function weightOf(subject: Subject): number {
  return 1024 + 4 * JSON.stringify(subject).length;
}

/** Where nothing is looked at any more, it is known again by those alone who have shown it there before. */
function isTakenFrom({ proof, subject, networks }: Right, address: string | undefined): boolean {
  if (proof.isTakenFrom === undefined || subject.address === address) return true;
  const network = networkOf(address ?? '');
  if (networks.has(network)) return true;
  if (!proof.isTakenFrom(network)) return false;
  networks.add(network);
  if (networks.size > maxNetworks) networks.delete(networks.values().next().value ?? '');
  return true;
}

function subjectOf(right: Right, address: string | undefined): Subject {
  if (right.subject.address !== address) right.subject = { ...right.proof.known, address };
  return right.subject;
}

function partsOf(authorization: string): [scheme: Scheme | undefined, shown: string] {
  const [, scheme = '', shown = ''] = /^(basic|bearer) +(\S+) *$/i.exec(authorization) ?? [];
  return [scheme === '' ? undefined : (scheme.toLowerCase() as Scheme), shown];
}
