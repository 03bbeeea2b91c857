import type { Soon } from '../../base/soon.ts';
import { isDigestText, isTagText, type RepositoryName } from '../../oci/reference.ts';
import type { Request } from '../../oci/request.ts';
import type { Verdict } from '../subject.ts';
import type { DigestPolicy } from './digest-policy.ts';
import type { Policy } from './policy.ts';

/** What the policy says of requests: by the tag, by what is known to lead to the digest, else by the repository. */
export class PassingContent {
  readonly policy: Policy;
  readonly digests: DigestPolicy;

  constructor(policy: Policy, digests: DigestPolicy) {
    this.policy = policy;
    this.digests = digests;
  }

  of(action: 'pull' | 'push', repository: RepositoryName, request: Request | undefined): Soon<Verdict> {
    const asked = nameIn(request);
    if (asked !== undefined && isTagText(asked)) return this.policy.ofTag(repository, asked);
    if (action === 'pull' && asked !== undefined && isDigestText(asked))
      return this.digests.ofDigest(repository, asked);
    return this.policy.ofName(repository);
  }
}

/** Of what is asked for by name; what is neither tag nor digest is refused later. */
function nameIn(request: Request | undefined): string | undefined {
  switch (request?.kind) {
    case 'manifest':
      return request.reference;
    case 'blob':
    case 'referrers':
      return request.digest;
    default:
      return undefined;
  }
}
