import { type Soon, soon } from '../base/soon.ts';
import type { AccessRules, Pullable } from '../door/rules/access-rules.ts';
import { isGranted, type RepositoryNamed } from '../door/rules/granted.ts';
import type { PassingContent } from '../door/rules/passing-content.ts';
import { type Subject, toldName } from '../door/subject.ts';
import type { Access } from '../http/authorise.ts';
import type { KnownCaller } from '../http/exchange/known-caller.ts';
import { RegistryError } from '../oci/error.ts';
import { type Digest, isDigestText, type RepositoryName, type Tag } from '../oci/reference.ts';

interface Judges {
  readonly rules: AccessRules | undefined;
  readonly content: PassingContent | undefined;
  readonly repositoryNamed: RepositoryNamed;
}

const everything: Pullable = { beginnings: [''], has: () => true };

/** Who was met at the door, with what he asked for. */
export class Met implements KnownCaller {
  readonly rule: string | undefined;
  readonly headers: readonly string[];
  readonly #subject: Subject;
  readonly #access: Access;
  readonly #judges: Judges;

  constructor(
    subject: Subject,
    access: Access,
    { rule, headers }: { readonly rule?: string | undefined; readonly headers: readonly string[] },
    judges: Judges,
  ) {
    this.#subject = subject;
    this.#access = access;
    this.rule = rule;
    this.headers = headers;
    this.#judges = judges;
  }

  get id(): string | undefined {
    return toldName(this.#subject);
  }

  get address(): string | undefined {
    return this.#subject.address;
  }

  get repository(): RepositoryName | undefined {
    return this.#access.repository;
  }

  get digest(): Digest | undefined {
    const { request } = this.#access;
    const said = request?.kind === 'manifest' ? request.reference : digestIn(request);
    return said !== undefined && isDigestText(said) ? said : undefined;
  }

  mayPull(repository: RepositoryName): boolean {
    const { rules, content, repositoryNamed } = this.#judges;
    return (
      rules?.judge(this.#subject, 'pull', repository).allowed !== false &&
      isGranted(this.#subject, 'pull', repository, repositoryNamed) &&
      content?.policy.ofName(repository).allowed !== false
    );
  }

  get pullable(): Pullable {
    const { rules, content } = this.#judges;
    const { beginnings, has } = rules?.pullable(this.#subject) ?? everything;
    if (content === undefined) return { beginnings, has };
    return { beginnings, has: (repository) => has(repository) && content.policy.passesByName(repository) };
  }

  tagsPassing(repository: RepositoryName): ((tag: Tag) => boolean) | undefined {
    return this.#judges.content?.policy.tagsPassing(repository);
  }

  mayPullBlob(repository: RepositoryName, digest: Digest): Soon<boolean> {
    if (!this.mayPull(repository)) return false;
    const { content } = this.#judges;
    return (
      content === undefined || soon(content.digests.ofDigest(repository, digest), ({ allowed }) => allowed)
    );
  }

  checkTags(repository: RepositoryName, tags: readonly Tag[]): void {
    for (const tag of tags) {
      const verdict = this.#judges.content?.policy.ofTag(repository, tag);
      if (verdict?.allowed === false) throw notPassing(verdict.rule);
    }
  }

  answered(repository: RepositoryName, digest: Digest): void {
    const { request } = this.#access;
    if (request?.kind === 'manifest' && !isDigestText(request.reference))
      this.#judges.content?.digests.passed(repository, digest);
  }
}

export function notPassing(rule: string | undefined): RegistryError {
  return new RegistryError('DENIED', `the policy ${JSON.stringify(rule)} does not let it pass`);
}

function digestIn(request: Access['request']): string | undefined {
  return request !== undefined && 'digest' in request ? request.digest : undefined;
}
