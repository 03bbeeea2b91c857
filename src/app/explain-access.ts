import { ConfigError } from '../config/config-error.ts';
import type { Config } from '../config/schema.ts';
import { Policy } from '../door/rules/policy.ts';
import type { RuledAction, Subject } from '../door/subject.ts';
import { HostedRules } from '../hosted/hosted-rules.ts';
import { judgedName } from '../oci/judged-name.ts';
import { hostOf, type ImageName, isDigest, isHosted, shownName } from '../oci/reference.ts';
import { rulesOf } from './door.ts';
import { imageNamed } from './image-name.ts';
import { registriesByHost } from './registry-upstream.ts';
import { targetSettings } from './target-settings.ts';

/** Who asks: a user, a program, somebody by the token of an issuer, or by a certificate; nobody where all of it is undefined. */
export interface AccessQuestion {
  readonly user: string | undefined;
  readonly client: string | undefined;
  readonly subject: string | undefined;
  /** Undefined: the one that there is. */
  readonly issuer: string | undefined;
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, readonly string[]>>;
  readonly certificate: string | undefined;
  readonly address: string | undefined;
  /** `host/repository`, or a name of what lives here; with a tag or a digest or without. */
  readonly repository: string;
  readonly action: RuledAction;
}

export interface Explanation {
  readonly allowed: boolean;
  /** What is asked, as it was understood. */
  readonly question: string;
  /** What each rule has to do with it, in their order, up to the one that decides. */
  readonly reasons: readonly string[];
}

/** What the rules of a configuration say, without a server. Throws RegistryError for a name that is none, ConfigError for somebody who could not be. */
export function explainAccess(config: Config, asked: AccessQuestion): Explanation {
  const named = imageNamed(asked.repository, targetSettings(config));
  const subject = subjectOf(config, asked);
  // A name alone has no tag: `imageNamed` makes it `latest`.
  const image = { ...named, isWhole: /[@:][^/]*$/.test(asked.repository) };
  const byAccess = accessReasons(config, asked, subject, named);
  const byPolicy = byAccess.allowed && asked.action !== 'delete' ? policyReasons(config, image) : undefined;
  return {
    allowed: byAccess.allowed && byPolicy?.allowed !== false,
    question: `${asked.action} ${shownName(named.repository)}${referenceText(image)} as ${whoText(subject)}`,
    reasons: [
      ...judgedAs(named),
      ...byAccess.reasons,
      ...(byPolicy?.reasons ?? []),
      ...(byAccess.allowed && asked.action === 'pull' ? ownRightReasons(config, named) : []),
    ],
  };
}

/** Rules have one name for it, which may be another than that of the cache. */
function judgedAs({ repository }: ImageName): readonly string[] {
  const judged = judgedName(repository);
  return judged === shownName(repository) ? [] : [`its name is judged as ${judged}`];
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

function accessReasons(
  config: Config,
  asked: AccessQuestion,
  subject: Subject,
  { repository }: ImageName,
): Reasons {
  const { action } = asked;
  const rules = rulesOf(config);
  if (rules === undefined) return withoutRules(config, asked, { repository });
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

function subjectOf(config: Config, asked: AccessQuestion): Subject {
  const { user, client, certificate, groups, claims, address } = asked;
  const isForeign = [asked.subject, asked.issuer].some((text) => text !== undefined);
  const isSaid = groups.length > 0 || Object.keys(claims).length > 0;
  const ways = [user, client, certificate, isForeign || isSaid || undefined].filter(
    (way) => way !== undefined,
  );
  if (ways.length > 1)
    throw new ConfigError([
      'he is one of --user, --client, --certificate and --subject; --group, --claim and --issuer are about a --subject',
    ]);
  const nobody: Subject = { id: undefined, by: 'nothing', groups: [], address };
  if (user !== undefined) return { ...nobody, id: user, by: 'password' };
  if (client !== undefined) return { ...nobody, id: client, by: 'clientToken' };
  if (certificate !== undefined) return { ...nobody, id: certificate, by: 'certificate' };
  if (ways.length === 0) return nobody;
  const issuer = issuerOf(config, asked);
  return {
    ...{ id: asked.subject ?? 'somebody', by: 'foreignToken', groups, claims, address },
    ...(issuer !== undefined && { issuer }),
  };
}

/** Undefined: none is configured. */
function issuerOf({ auth }: Config, { issuer }: AccessQuestion): string | undefined {
  const all = [...new Set(auth?.issuers.map((one) => one.issuer))];
  if (issuer !== undefined && !all.includes(issuer))
    throw new ConfigError([`--issuer: ${JSON.stringify(issuer)} is none of auth.issuers`]);
  if (issuer === undefined && all.length > 1)
    throw new ConfigError([`--issuer is missing: one of ${all.join(', ')}`]);
  return issuer ?? all[0];
}

function referenceText({ isWhole, reference }: Image): string {
  return isWhole ? `${isDigest(reference) ? '@' : ':'}${reference}` : '';
}

function whoText({ address, ...subject }: Subject): string {
  return `${nameText(subject)}${address === undefined ? '' : ` from ${address}`}`;
}

function nameText({ id, by, issuer, groups, claims = {} }: Omit<Subject, 'address'>): string {
  if (id === undefined) return 'nobody in particular';
  if (by === 'password') return `the user ${id}`;
  if (by === 'clientToken') return `the client ${id}`;
  if (by === 'certificate') return `the certificate of ${id}`;
  const said = Object.entries(claims).map(([name, values]) => `${name}: ${values.join(', ')}`);
  return [
    `the subject ${id}`,
    ...(issuer === undefined ? [] : [`of ${issuer}`]),
    ...(groups.length === 0 ? [] : [`in ${groups.join(', ')}`]),
    ...(said.length === 0 ? [] : [`with ${said.join(', ')}`]),
  ].join(' ');
}
