import type { Config } from '../config/schema.ts';
import { Policy } from '../door/rules/policy.ts';
import type { RuledAction, Subject } from '../door/subject.ts';
import { HostedRules } from '../hosted/hosted-rules.ts';
import { hostOf, type ImageName, isDigest, isHosted, shownName } from '../oci/reference.ts';
import { rulesOf } from './door.ts';
import { imageNamed } from './image-name.ts';
import { registriesByHost } from './registry-upstream.ts';
import { targetSettings } from './target-settings.ts';

export interface AccessQuestion {
  readonly user: string | undefined;
  readonly groups: readonly string[];
  readonly certificate: string | undefined;
  readonly address: string | undefined;
  /** `host/repository`, or a name of what lives here; with a tag or a digest or without. */
  readonly repository: string;
  readonly action: Exclude<RuledAction, 'admin'>;
}

export interface Explanation {
  readonly allowed: boolean;
  /** What is asked, as it was understood. */
  readonly question: string;
  /** What each rule has to do with it, in their order, up to the one that decides. */
  readonly reasons: readonly string[];
}

/** What the rules of a configuration say, without a server. Throws RegistryError for a name that is none. */
export function explainAccess(config: Config, asked: AccessQuestion): Explanation {
  const named = imageNamed(asked.repository, targetSettings(config));
  // A name alone has no tag: `imageNamed` makes it `latest`.
  const image = { ...named, isWhole: /[@:][^/]*$/.test(asked.repository) };
  const byAccess = accessReasons(config, asked, named);
  const byPolicy = byAccess.allowed && asked.action !== 'delete' ? policyReasons(config, image) : undefined;
  return {
    allowed: byAccess.allowed && byPolicy?.allowed !== false,
    question: `${asked.action} ${shownName(named.repository)}${referenceText(image)} as ${whoText(asked)}`,
    reasons: [
      ...byAccess.reasons,
      ...(byPolicy?.reasons ?? []),
      ...(byAccess.allowed && asked.action === 'pull' ? ownRightReasons(config, named) : []),
    ],
  };
}

/** What is to be shown besides, which is not the configuration's to say. */
function ownRightReasons(config: Config, { repository }: ImageName): string[] {
  const host = hostOf(repository);
  return registriesByHost(config).get(host)?.authorization === 'passThrough'
    ? [
        `registries: ${host}: passThrough: ${host} itself must let him, by the user and the password that he shows`,
      ]
    : [];
}

interface Reasons {
  readonly allowed: boolean;
  readonly reasons: readonly string[];
}

interface Image extends ImageName {
  /** Is the reference his own? */
  readonly isWhole: boolean;
}

function accessReasons(config: Config, asked: AccessQuestion, { repository }: ImageName): Reasons {
  const { action } = asked;
  const rules = rulesOf(config);
  if (rules === undefined) return withoutRules(config, asked, { repository });
  const subject = subjectOf(asked);
  const { allowed, rule } = rules.judge(subject, action, repository);
  const reasons = rules
    .explain(subject, repository)
    .map(({ name, passes }) =>
      passes === undefined
        ? `access: ${name}: decides: it ${allowed ? 'lets' : 'does not let'} ${action}`
        : `access: ${name}: says nothing of it: ${passes}`,
    );
  return { allowed, reasons: rule === undefined ? [...reasons, 'access: no rule decides: denied'] : reasons };
}

function withoutRules(
  { hosted }: Config,
  { action }: AccessQuestion,
  { repository }: Pick<ImageName, 'repository'>,
): Reasons {
  if (action === 'pull') return { allowed: true, reasons: ['access: none is configured: anyone pulls'] };
  const isOpen = new HostedRules(hosted).ruleOf(repository)?.isOpen === true;
  const why = isHosted(repository)
    ? `hosted: open is ${isOpen}`
    : 'hosted: it does not live here, and what is cached nobody changes';
  return { allowed: isOpen, reasons: [`access: none is configured`, why] };
}

function policyReasons({ policy }: Config, { repository, reference, isWhole }: Image): Reasons {
  const rules = new Policy(policy);
  const isByTag = isWhole && !isDigest(reference);
  const { allowed, rule } = isByTag ? rules.ofTag(repository, reference) : rules.ofName(repository);
  const decided =
    rule === undefined
      ? 'policy: no rule matches: it passes'
      : `policy: ${rule}: decides: it ${allowed ? 'passes' : 'does not pass'}`;
  const reasons = allowed && !isByTag && rules.asksForTags(repository) ? [decided, byTags] : [decided];
  return { allowed, reasons };
}

const byTags =
  'policy: rules about tags of this repository hold for its digests too, by the tags that are known to lead to them: only the running server says which do';

function subjectOf({ user, groups, certificate, address }: AccessQuestion): Subject {
  if (user !== undefined) return { id: user, by: 'password', groups, address };
  if (certificate !== undefined) return { id: certificate, by: 'certificate', groups, address };
  return { id: undefined, by: 'nothing', groups, address };
}

function referenceText({ isWhole, reference }: Image): string {
  return isWhole ? `${isDigest(reference) ? '@' : ':'}${reference}` : '';
}

function whoText({ user, groups, certificate, address }: AccessQuestion): string {
  const name =
    user === undefined
      ? certificate === undefined
        ? 'nobody in particular'
        : `the certificate of ${certificate}`
      : `the user ${user}`;
  const of = groups.length === 0 ? '' : ` of ${groups.join(', ')}`;
  return `${name}${of}${address === undefined ? '' : ` from ${address}`}`;
}
