import { type Soon, soon } from '../base/soon.ts';
import type { AddressBlocks } from '../door/address-blocks.ts';
import { clientAddress } from '../door/client-address.ts';
import type { Limiter, LimitHeaders } from '../door/rate/limiter.ts';
import type { AccessRules } from '../door/rules/access-rules.ts';
import { isGranted, isGrantedCatalog, type RepositoryNamed } from '../door/rules/granted.ts';
import type { PassingContent } from '../door/rules/passing-content.ts';
import type { Subject } from '../door/subject.ts';
import { Visitors } from '../door/visitors.ts';
import type { Access, Action, Authorise, Caller } from '../http/authorise.ts';
import { RegistryError } from '../oci/error.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { Met, notPassing } from './met.ts';

/** How a caller becomes known. */
export interface Identity {
  /**
   * Nothing shown: nobody. `beforeLook` is asked before anybody looks at what is not known yet; what it throws is thrown. Throws UNAUTHORIZED, with a
   * `WWW-Authenticate`, for what is wrong.
   */
  readonly identify: (caller: Caller, beforeLook: () => Soon<void>) => Soon<Subject>;
  /** `WWW-Authenticate` for whoever needs more than he has shown. Absent: nobody can show anything. */
  readonly challenge?:
    | ((action: Action, repository: RepositoryName | undefined, error?: 'insufficient_scope') => string)
    | undefined;
}

/** Nobody can show who he is. */
export const anonymous: Identity = {
  identify: ({ address }) => ({ id: undefined, by: 'nothing', groups: [], address }),
};

export interface AdmissionParts {
  readonly identity: Identity;
  readonly trustedProxies: AddressBlocks;
  /** Undefined: as often as he likes. */
  readonly limiter: Limiter | undefined;
  /** Undefined: everybody may. */
  readonly rules: AccessRules | undefined;
  /** Undefined: all of it. */
  readonly content: PassingContent | undefined;
  readonly repositoryNamed: RepositoryNamed;
}

interface Decision {
  /** The name of the rule. */
  readonly rule?: string | undefined;
  readonly refusal?: RegistryError | undefined;
}

const admitted: Decision = {};

/**
 * The steps at the door: where he comes from, who he is, how often he has asked, what he may, what may pass at all. What is known already is said at once, and
 * nobody waits for it.
 */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #visitors = new Visitors();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  readonly authorise: Authorise = (access) => {
    const caller = this.#behindProxies(access.caller);
    return soon(this.#identified(caller, access), (subject) =>
      soon(this.#counted(subject), ({ headers, refusal }) =>
        soon(refusal === undefined ? this.#decided(subject, access) : { refusal }, (decision) =>
          this.#told(subject, access, { ...decision, headers }),
        ),
      ),
    );
  };

  /** Who asks how to become known is nobody yet. Throws TOOMANYREQUESTS, UNAVAILABLE. */
  readonly count = ({ caller, tell }: Pick<Access, 'caller' | 'tell'>): Soon<void> => {
    const nobody = this.#visitors.of(this.#behindProxies(caller).address, undefined);
    const access: Access = { action: 'login', request: undefined, repository: undefined, caller, tell };
    return soon(this.#counted(nobody), (counted) => this.#told(nobody, access, counted));
  };

  #behindProxies(caller: Caller): Caller {
    const address = clientAddress(caller.address, caller.forwardedFor, this.#parts.trustedProxies);
    return address === caller.address ? caller : { ...caller, address };
  }

  #identified(caller: Caller, access: Access): Soon<Subject> {
    try {
      const subject = this.#parts.identity.identify(caller, () => this.#mayBeLookedAt(caller));
      if (!(subject instanceof Promise)) return this.#known(subject, caller);
      return subject.then(
        (one) => this.#known(one, caller),
        (error: unknown) => this.#wrong(error, caller, access),
      );
    } catch (error) {
      return this.#wrong(error, caller, access);
    }
  }

  /** Whose password or token is not known yet is nobody: where his address has had its share, it is not looked at. Counted is what comes of it. Throws TOOMANYREQUESTS. */
  #mayBeLookedAt({ address }: Caller): Soon<void> {
    return this.#parts.limiter?.check({ id: undefined, address });
  }

  #known(subject: Subject, { address, certificate }: Caller): Subject {
    if (subject.by === 'nothing') return this.#visitors.of(address, certificate);
    if (subject.id !== undefined || certificate === undefined) return subject;
    // A token for nobody in particular: who he is says the certificate, and what he asked for the token.
    return { ...this.#visitors.of(address, certificate), granted: subject.granted ?? [] };
  }

  /** Whoever shows what is wrong is counted too, by his address. */
  #wrong(error: unknown, { address }: Caller, access: Access): Soon<never> {
    const nobody = this.#visitors.of(address, undefined);
    return soon(this.#counted(nobody), ({ headers, refusal }): never => {
      access.tell?.(new Met(nobody, access, { headers }, this.#parts));
      throw refusal ?? error;
    });
  }

  #counted(subject: Subject): Soon<{ headers: LimitHeaders; refusal: RegistryError | undefined }> {
    return this.#parts.limiter?.take(subject) ?? { headers: [], refusal: undefined };
  }

  #told(subject: Subject, access: Access, decision: Decision & { readonly headers: LimitHeaders }): void {
    access.tell?.(new Met(subject, access, decision, this.#parts));
    if (decision.refusal !== undefined) throw decision.refusal;
  }

  #decided(subject: Subject, access: Access): Soon<Decision> {
    const { identity, rules } = this.#parts;
    const { action, repository } = access;
    const isAsked = identity.challenge !== undefined;
    switch (action) {
      case 'login':
        return isAsked ? { refusal: noSuchEndpoint() } : admitted;
      case 'version':
        return isAsked && isToShowMore(subject) ? this.#refused(subject, access) : admitted;
      case 'catalog':
        if (rules?.letsIn(subject, 'pull') === false) return this.#refused(subject, access);
        return isGrantedCatalog(subject) ? admitted : this.#notInToken(access);
      default:
        if (repository !== undefined) return this.#decidedOn(subject, action, repository, access);
        // What is wrong with the name is said to whoever may come in.
        return rules?.letsIn(subject) === false ? this.#refused(subject, access) : admitted;
    }
  }

  #decidedOn(
    subject: Subject,
    action: 'pull' | 'push' | 'delete',
    repository: RepositoryName,
    access: Access,
  ): Soon<Decision> {
    const { rules, content, repositoryNamed } = this.#parts;
    const verdict = rules?.judge(subject, action, repository);
    if (verdict?.allowed === false) return this.#refused(subject, access, verdict.rule);
    if (!isGranted(subject, action, repository, repositoryNamed)) return this.#notInToken(access);
    const decision = verdict ?? admitted;
    if (content === undefined || action === 'delete') return decision;
    return soon(content.of(action, repository, access.request), ({ allowed, rule }) =>
      allowed ? decision : { rule, refusal: notPassing(rule) },
    );
  }

  /** Who has not shown a name, be it with a token for nobody in particular, is asked for one, where he can have one. */
  #refused({ id, by }: Subject, { action, repository }: Access, rule?: string): Decision {
    const { challenge } = this.#parts.identity;
    if (challenge !== undefined && (id === undefined || by === 'certificate'))
      return { rule, refusal: unauthorized(challenge(action, repository)) };
    const who = rule === undefined ? 'no rule lets you' : `the rule ${JSON.stringify(rule)} does not let you`;
    return { rule, refusal: new RegistryError('DENIED', `${who} ${wordsOf(action)}`) };
  }

  /** He may have one that is good for it: clients ask for another then (RFC 6750 section 3.1, as distribution answers it). */
  #notInToken({ action, repository }: Access): Decision {
    const { challenge } = this.#parts.identity;
    return {
      refusal:
        challenge === undefined
          ? new RegistryError('DENIED', 'your token is not good for this')
          : unauthorized(challenge(action, repository, 'insufficient_scope')),
    };
  }
}

/**
 * Whoever has shown nothing, or a certificate alone. Many clients show their password where `/v2/` asks for it, or nowhere; the others go on without, and
 * have what their certificate is good for.
 */
function isToShowMore({ by, granted }: Subject): boolean {
  return by === 'nothing' || (by === 'certificate' && granted === undefined);
}

function wordsOf(action: Action): string {
  return action === 'catalog' ? 'pull anything' : action === 'version' ? 'in' : `${action} here`;
}

function unauthorized(challenge: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, { headers: { 'WWW-Authenticate': challenge } });
}

/** The original's, where nobody is asked who he is. */
function noSuchEndpoint(): RegistryError {
  return new RegistryError('NAME_UNKNOWN', 'no such endpoint in the distribution API');
}
