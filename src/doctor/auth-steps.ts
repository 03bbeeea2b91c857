import { basicHeaderOf, secretsOf } from '../credentials/credentials.ts';
import { identityOf, asWhom as sentAs } from '../credentials/identity.ts';
import { type Challenge, parseChallenges } from '../oci/challenge.ts';
import { quotable } from '../upstream/quotable.ts';
import { adviceOnProxysAnswer, adviceOnStatus } from './advice-on-status.ts';
import { type Answered, type Evidence, limitsIn } from './evidence.ts';
import { adviceOnFailure, connectionFailureText, failureText } from './failure.ts';
import type { Finding } from './report.ts';

/** Does it answer, and how does it want to be asked? */
export function challenge(evidence: Evidence): Finding {
  const [first] = evidence.answered('registry');
  if (first === undefined) {
    const { error, ms } = evidence.failure;
    return {
      status: 'failed',
      ms,
      detail: connectionFailureText(error),
      advice: adviceOnFailure(error, evidence),
    };
  }
  const challenged = challengedIn(evidence);
  if (challenged === undefined)
    return { status: 'needless', detail: `answered ${first.answer.status} without asking who we are` };
  const ms = challenged.ms - (challenged === first ? (evidence.connection?.ms ?? 0) : 0);
  const challenges = challengesOf(challenged);
  if (challenges.length > 0) return { status: 'ok', ms, detail: challengesText(challenges, evidence) };
  return {
    status: 'failed',
    ms,
    detail: 'answered 401 and does not say how to log in (WWW-Authenticate)',
    advice:
      adviceOnProxysAnswer(401, evidence) ??
      'Is it a registry? A proxy or a login page may answer in its place.',
  };
}

/** Does the token server that it named give a token? */
export function token(evidence: Evidence): Finding {
  const bearer = bearerIn(evidence);
  if (bearer === undefined) return { status: 'needless', detail: 'no token server was named' };
  const sent = evidence.exchanges('registry');
  const asked = evidence.exchanges('token server');
  const last = asked.at(-1);
  if (last === undefined && sent.some(({ authorization }) => authorization === 'basic'))
    return { status: 'needless', detail: 'Basic was sent instead' };
  const ms = asked.length === 0 ? undefined : asked.reduce((sum, exchange) => sum + exchange.ms, 0);
  if (sent.some(({ authorization }) => authorization === 'bearer'))
    return { status: 'ok', ms, detail: `from ${last?.url.origin ?? 'before'}${asWhom(evidence)}` };
  const refusal = withWhom(failureText(evidence.error), asWhom(evidence));
  if (last === undefined) return { status: 'failed', detail: refusal, advice: realmAdvice };
  const limits = 'error' in last.answer ? [] : limitsIn(last.answer);
  const detail = [refusal, ...limits].join(', ');
  if ('error' in last.answer) {
    const { error } = last.answer;
    const { caFiles, endedAt, proxies } = evidence;
    const advice = adviceOnFailure(error, { caFiles, endedAt, proxies, origin: last.url });
    return { status: 'failed', ms, detail, advice };
  }
  // Some say 400 to whom they do not know (Keycloak), as the server's own code takes it.
  const status = last.answer.status === 400 ? 401 : last.answer.status;
  if (isUnproved(evidence, status)) return { status: 'unproved', ms, detail, advice: nameAnImage };
  const advice = status === 200 ? noTokenAdvice : adviceOnStatus(status, evidence, last.url);
  return { status: 'failed', ms, detail, advice };
}

const realmAdvice =
  'The rules for token servers: no http behind an https registry, no private address behind a public one, auth.trustedRealms where it is set.';
const noTokenAdvice =
  'It gave something else than a token (JSON): a login page, a proxy? The realm of the challenge above is its address.';
export const nameAnImage =
  'A stranger may be refused here and still pull public images: name one, REGISTRY/REPOSITORY:TAG.';

/** Is the refusal of a stranger at `/v2/`, which says nothing of images? */
export function isUnproved(evidence: Evidence, status: number | undefined): boolean {
  const isRefusal = status === 401 || status === 403;
  const isStranger = evidence.who.kind === 'anonymous' && bearerIn(evidence) !== undefined;
  return evidence.walk.subject.image === undefined && isRefusal && isStranger;
}

/** As whom the token server was asked. A password that came by plain http does not go everywhere (`realm.ts`). */
function asWhom(evidence: Evidence): string {
  const last = evidence.exchanges('token server').at(-1);
  if (last === undefined) return '';
  const { who } = evidence;
  if (last.authorization === 'basic' || last.method === 'POST') return `, ${sentAs(who).forOperator}`;
  return basicHeaderOf(who) === undefined
    ? asNobody
    : `${asNobody}: ${identityOf(who)} was not sent there, since the registry speaks plain http and names a server elsewhere`;
}

const asNobody = `, ${sentAs(undefined).forOperator}`;

/** An error of the server's own code ends with it already, where it is about that. */
function withWhom(text: string, whom: string): string {
  const said = [whom, asNobody].find((end) => text.endsWith(end)) ?? '';
  return `${text.slice(0, text.length - said.length)}${whom}`;
}

function challengedIn(evidence: Evidence): Answered | undefined {
  return evidence.answered('registry').find(({ answer }) => answer.status === 401);
}

function challengesOf({ answer }: Answered): readonly Challenge[] {
  return parseChallenges(answer.headers['www-authenticate']).filter(
    ({ scheme, params }) => scheme === 'basic' || (scheme === 'bearer' && Boolean(params['realm'])),
  );
}

function bearerIn(evidence: Evidence): Challenge | undefined {
  const challenged = challengedIn(evidence);
  return challenged && challengesOf(challenged).find(({ scheme }) => scheme === 'bearer');
}

const maxShown = 200;

function challengesText(challenges: readonly Challenge[], { who }: Evidence): string {
  const text = challenges.map(challengeText).join(', or ');
  return quotable(text, secretsOf(who)) ?? 'a challenge with a secret in it';
}

function challengeText({ scheme, params }: Challenge): string {
  if (scheme === 'basic') return 'Basic';
  const { realm = '', service } = params;
  const names = [`realm ${shown(realmText(realm))}`, ...(service ? [`service ${shown(service)}`] : [])];
  return `Bearer, ${names.join(', ')}`;
}

/** Without a user and a password that may stand in it. */
function realmText(realm: string): string {
  if (!URL.canParse(realm)) return realm;
  const { origin, pathname, protocol } = new URL(realm);
  return origin === 'null' ? protocol : `${origin}${pathname}`;
}

function shown(text: string): string {
  return text.slice(0, maxShown).replaceAll(/[^\P{C}]/gu, ' ');
}
